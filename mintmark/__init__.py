"""Mintmark: evidence-based reputation, a token market and per-assistant trust for prompts."""

from importlib.metadata import version

__version__ = version("mintmark")
