"""Campaigns: long tests of the promises in docs/en/reliability.md."""
