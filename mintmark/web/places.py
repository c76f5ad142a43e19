"""Where a pasted document is wrong: each place as its path, with the line on which it stands."""

from collections.abc import Sequence
from dataclasses import dataclass

import yaml

from mintmark.core import errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """One place that is wrong: its path (`cases.3.weight`), its line (None where it has none), what stands there and
    what is wrong with it."""

    path: str
    line: int | None
    value: str
    message: str


def of(refusal: errors.Refusal, *, text: str, within: str = "") -> list[Wrong]:
    """The places that a refusal names, in a document that could be read. Rows that name their field by its number in a
    list are `within` that list."""
    root = yaml.compose(text, Loader=yaml.CSafeLoader) if refusal.rows else None
    found = []
    for row in refusal.rows:
        field = str(row["field"] or "")
        path = f"{within}.{row['row']}.{field}".rstrip(".") if within else field
        value = "" if row["value"] in (None, "") else str(row["value"])
        found.append(
            Wrong(path=path, line=_line(root, path), value=value[:120], message=row["message"])
        )
    return found


def _line(node: yaml.Node | None, path: str) -> int | None:
    """The line of the last part of the path that the document has."""
    line = None
    for part in path.split(".") if path else []:
        node = _child(node, part)
        if node is None:
            break
        line = node.start_mark.line + 1
    return line


def _child(node: yaml.Node | None, part: str) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode):
        at: Sequence[yaml.Node] = node.value
        return at[int(part)] if part.isdigit() and int(part) < len(at) else None
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == part), None)
    return None
