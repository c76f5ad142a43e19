"""Signed bundles: issue, export, take in, quarantine; the keys that sign and the keys that are trusted."""
