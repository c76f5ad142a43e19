"""JSON as RFC 8259 defines it: Python's parser also takes NaN and Infinity, which no other tool reads."""

import json
from collections.abc import Callable
from typing import Any


def loads(
    text: str, *, object_pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None
) -> Any:
    """The value of a JSON text; `ValueError` for NaN and Infinity, and what `json.loads` raises else."""
    return json.loads(text, parse_constant=_reject_constant, object_pairs_hook=object_pairs_hook)


def _reject_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")
