"""Campaigns that show by figures that the promises of docs/en/reliability.md hold."""
