"""Files of front matter and a text: `---`, YAML, `---`, and then the text, byte for byte."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mintmark.common import documents

_FENCE = re.compile(r"---[ \t]*\r?\n")
_END = re.compile(r"^---[ \t]*(?:\r?\n|\Z)", re.MULTILINE)
_YAML_LINE = re.compile(r"line (\d+), column (\d+): ")


class UnreadableFile(Exception):
    """A file is none of these: the line where that shows, the field if one is meant, and why."""

    def __init__(self, message: str, *, line: int, field: str = "", value: object = None) -> None:
        super().__init__(message)
        self.message, self.line, self.field, self.value = message, line, field, value


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontMatterDocument:
    """What stands above a text, the text, and the line of the file in which it begins."""

    values: Mapping[str, Any]
    text: str
    first_line: int


def parse_document(raw: bytes) -> FrontMatterDocument:
    """A file's front matter and text; without front matter all of it is text. Raises `Unreadable`."""
    try:
        decoded = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UnreadableFile(f"It is not UTF-8: byte {error.start}.", line=line) from error
    opening = _FENCE.match(decoded)
    if opening is None:
        return FrontMatterDocument(values={}, text=decoded, first_line=1)
    closing = _END.search(decoded, opening.end())
    if closing is None:
        raise UnreadableFile("The front matter has no end: a line `---` is missing.", line=1)
    values = _parse_front_matter(decoded[opening.end() : closing.start()])
    return FrontMatterDocument(
        values=values,
        text=decoded[closing.end() :],
        first_line=decoded.count("\n", 0, closing.end()) + 1,
    )


def get_text_field(
    values: Mapping[str, Any], field: str, *, max_length: int, default: str = "", line: int = 2
) -> str:
    """A text of the front matter, on one line; raises `Unreadable` where it is none or too long."""
    value = values.get(field)
    if value is None:
        return default
    if isinstance(value, bool | int | float):
        value = str(value)
    if not isinstance(value, str):
        raise UnreadableFile(f"{field} is a text here.", line=line, field=field)
    normalised = " ".join(value.split())
    if len(normalised) > max_length:
        raise UnreadableFile(
            f"{field} has {len(normalised):,} characters; at most {max_length:,} are taken.",
            line=line, field=field, value=normalised,
        )  # fmt: skip
    return normalised


def _parse_front_matter(yaml: str) -> Mapping[str, Any]:
    try:
        values = documents.parse_document(yaml)
    except documents.InvalidDocument as error:
        position = _YAML_LINE.match(error.message)
        line = int(position[1]) + 1 if position else 2
        message = error.message[position.end() :] if position else error.message
        location = (
            f"column {position[2]} of the front matter: " if position else "The front matter: "
        )
        raise UnreadableFile(location + message, line=line) from error
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        raise UnreadableFile("The front matter is not a mapping of names and values.", line=2)
    return values
