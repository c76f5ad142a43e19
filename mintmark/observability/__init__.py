"""Mintmark's own logs, metrics and traces."""
