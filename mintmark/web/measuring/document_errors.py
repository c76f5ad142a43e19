"""Where a pasted document is wrong: each place as its path, with the line on which it stands."""

from collections.abc import Sequence
from dataclasses import dataclass

import yaml

from mintmark.common import errors


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentError:
    """One place that is wrong: its path (`cases.3.weight`), its line (None where it has none), what stands there and
    what is wrong with it."""

    path: str
    line: int | None
    value: str
    message: str


def list_document_errors(
    error: errors.DomainError, *, text: str, list_path: str = ""
) -> list[DocumentError]:
    """The places that a refusal names, in a document that could be read. Rows that name their field by its number in a
    list are `within` that list."""
    root = yaml.compose(text, Loader=yaml.CSafeLoader) if error.rows else None
    document_errors = []
    for row in error.rows:
        field = str(row["field"] or "")
        path = f"{list_path}.{row['row']}.{field}".rstrip(".") if list_path else field
        value = "" if row["value"] in (None, "") else str(row["value"])
        document_errors.append(
            DocumentError(
                path=path, line=_find_line(root, path), value=value[:120], message=row["message"]
            )
        )
    return document_errors


def _find_line(node: yaml.Node | None, path: str) -> int | None:
    """The line of the last part of the path that the document has."""
    line_number = None
    for key in path.split(".") if path else []:
        node = _get_child(node, key)
        if node is None:
            break
        line_number = node.start_mark.line + 1
    return line_number


def _get_child(node: yaml.Node | None, segment: str) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode):
        children: Sequence[yaml.Node] = node.value
        return (
            children[int(segment)] if segment.isdigit() and int(segment) < len(children) else None
        )
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == segment), None)
    return None
