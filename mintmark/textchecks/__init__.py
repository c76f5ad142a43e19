"""Checks of a text: clauses, assertions, secrets, hidden characters, JSON Schema. Pure Python."""
