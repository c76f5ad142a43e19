"""Mintmark: evidence-based reputation, a token market and per-assistant trust for prompts."""


def __getattr__(name: str) -> str:
    """Look `__version__` up when it is asked for: what reads it takes longer to load than a `--help`."""
    if name == "__version__":
        from importlib.metadata import version

        return version("mintmark")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
