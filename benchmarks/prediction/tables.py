"""How the scripts here print: a table, or with --json one document."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

Rows = Mapping[str, Mapping[str, Any]]


def show(title: str, rows: Rows, columns: Sequence[str]) -> None:
    """Print one line a row; a dash for what does not apply."""
    width = max(len(name) for name in (*rows, title)) + 2
    print(f"{title:<{width}}" + "".join(f"{name:>13}" for name in columns))
    for name, row in rows.items():
        cells = (row.get(column) for column in columns)
        print(f"{name:<{width}}" + "".join(f"{_cell(cell):>13}" for cell in cells))
    print()


def dump(document: Mapping[str, Any]) -> None:
    print(json.dumps(document, indent=2))


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
