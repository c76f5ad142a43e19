"""Files of front matter and a text: `---`, YAML, `---`, and then the text, byte for byte."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mintmark.rituals import documents

_FENCE = re.compile(r"---[ \t]*\r?\n")
_END = re.compile(r"^---[ \t]*(?:\r?\n|\Z)", re.MULTILINE)
_YAML_LINE = re.compile(r"line (\d+), column (\d+): ")


class Unreadable(Exception):
    """A file is none of these: the line where that shows, the field if one is meant, and why."""

    def __init__(self, message: str, *, line: int, field: str = "", value: object = None) -> None:
        super().__init__(message)
        self.message, self.line, self.field, self.value = message, line, field, value


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What stands above a text, the text, and the line of the file in which it begins."""

    values: Mapping[str, Any]
    text: str
    line: int


def read(raw: bytes) -> Document:
    """A file's front matter and text; without front matter all of it is text. Raises `Unreadable`."""
    try:
        whole = raw.decode("utf-8-sig")
    except UnicodeDecodeError as failed:
        line = raw.count(b"\n", 0, failed.start) + 1
        raise Unreadable(f"It is not UTF-8: byte {failed.start}.", line=line) from failed
    opening = _FENCE.match(whole)
    if opening is None:
        return Document(values={}, text=whole, line=1)
    closing = _END.search(whole, opening.end())
    if closing is None:
        raise Unreadable("The front matter has no end: a line `---` is missing.", line=1)
    values = _values(whole[opening.end() : closing.start()])
    return Document(
        values=values, text=whole[closing.end() :], line=whole.count("\n", 0, closing.end()) + 1
    )


def word(
    values: Mapping[str, Any], field: str, *, most: int, default: str = "", line: int = 2
) -> str:
    """A text of the front matter, on one line; raises `Unreadable` where it is none or too long."""
    found = values.get(field)
    if found is None:
        return default
    if isinstance(found, bool | int | float):
        found = str(found)
    if not isinstance(found, str):
        raise Unreadable(f"{field} is a text here.", line=line, field=field)
    said = " ".join(found.split())
    if len(said) > most:
        raise Unreadable(
            f"{field} has {len(said):,} characters; at most {most:,} are taken.",
            line=line, field=field, value=said,
        )  # fmt: skip
    return said


def _values(yaml: str) -> Mapping[str, Any]:
    try:
        found = documents.read(yaml)
    except documents.InvalidDocument as refused:
        at = _YAML_LINE.match(refused.message)
        line = int(at[1]) + 1 if at else 2
        said = refused.message[at.end() :] if at else refused.message
        where = f"column {at[2]} of the front matter: " if at else "The front matter: "
        raise Unreadable(where + said, line=line) from refused
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise Unreadable("The front matter is no mapping of names and values.", line=2)
    return found
