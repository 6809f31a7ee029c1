"""Campaigns that measure whether the promises of docs/en/reliability.md hold."""
