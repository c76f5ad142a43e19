"""Named SQL statements in one commented file: `-- name` on a line, the statement below it."""

import re
from pathlib import Path

_STATEMENT = re.compile(r"^-- (\w+)\n((?:(?!--).+\n?)+)", flags=re.MULTILINE)


def load_statements(file: Path) -> dict[str, str]:
    """The statements of a file by their names, each in one piece."""
    return {
        name: " ".join(statement.split())
        for name, statement in _STATEMENT.findall(file.read_text())
    }
