"""Prompts at work: injections, the gates before them, spending limits, and which prompt suits an assistant."""
