"""YAML or JSON from untrusted sources, read within limits: anything that could grow too large is refused before it is
built.

A document is first read event by event: nesting, aliases and its size with aliases expanded are counted, so an alias
bomb costs no more than its own bytes. The result holds plain values only, by the core schema of YAML 1.2: the values no
and 2026-01-01 are texts, 010 is ten, and no tag creates an object.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import yaml

from mintmark.common import errors

MAX_BYTES = 4 * 2**20
MAX_DEPTH = 32
MAX_VALUES = 200_000
MAX_ALIASES = 1_000
MAX_CHARACTERS = 2 * MAX_BYTES
"""Limits of a document with its aliases expanded, as it is when stored."""


class InvalidDocument(errors.DomainError):
    """A text is not YAML or JSON in the supported form; the message says where and why. Nothing was stored."""

    code = "invalid_document"


@dataclass(slots=True)
class _NodeSize:
    """The size of a value that is being read: its values, depth and characters, with aliases expanded."""

    anchor: str | None
    values: int = 1
    depth: int = 1
    characters: int = 0


def parse_document(text: str | bytes) -> Any:
    """The value of a document, as plain values: mappings with text keys, lists, texts, numbers, booleans and null."""
    if len(text if isinstance(text, bytes) else text.encode(errors="replace")) > MAX_BYTES:
        raise InvalidDocument(f"It is larger than the limit of {MAX_BYTES:,} bytes.")
    try:
        decoded = text.decode("utf-8-sig") if isinstance(text, bytes) else text
    except UnicodeDecodeError as error:
        raise InvalidDocument(f"It is not UTF-8: byte {error.start}.") from error
    try:
        _check_size(decoded)
        return yaml.load(decoded, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        location = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise InvalidDocument(f"{location}{error.problem or error.context}.") from error
    except yaml.YAMLError as error:
        raise InvalidDocument(f"It holds characters that YAML does not allow: {error}") from error


def is_longer(value: Any, *, max_characters: int) -> bool:
    """Whether plain values have over `max_characters` characters when written out; each value that is not a text counts
    as one. Takes no more steps than that, however often a value is shared."""
    remaining, waiting = max_characters, [value]
    while waiting and remaining >= 0:
        node = waiting.pop()
        if isinstance(node, Mapping):
            waiting += [*node.keys(), *node.values()]
        elif isinstance(node, list):
            waiting += node
        remaining -= len(node) if isinstance(node, str) else 1
    return remaining < 0


def _check_size(text: str) -> None:
    """Refuse a document that is too deep or too large with its aliases expanded."""
    size_by_anchor: dict[str, _NodeSize] = {}
    open_nodes: list[_NodeSize] = []
    aliases = values = characters = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        line_number = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append(_NodeSize(event.anchor))
            if len(open_nodes) > MAX_DEPTH:
                raise InvalidDocument(
                    f"line {line_number}: it is nested over {MAX_DEPTH} levels deep."
                )
            values += 1
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            size = open_nodes.pop()
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
            if event.anchor not in size_by_anchor:
                raise InvalidDocument(
                    f"line {line_number}: the alias *{event.anchor} is inside itself, or names nothing."
                )
            size = size_by_anchor[event.anchor]
            values += size.values
            characters += size.characters
        elif isinstance(event, yaml.ScalarEvent):
            size = _NodeSize(event.anchor, depth=0, characters=len(event.value))
            values += 1
            characters += size.characters
        else:
            continue
        if size.anchor is not None:
            size_by_anchor[size.anchor] = size
        if open_nodes:
            open_nodes[-1].values += size.values
            open_nodes[-1].characters += size.characters
            open_nodes[-1].depth = max(open_nodes[-1].depth, size.depth + 1)
        if len(open_nodes) + size.depth > MAX_DEPTH:
            raise InvalidDocument(f"line {line_number}: it is nested over {MAX_DEPTH} levels deep.")
        if values > MAX_VALUES or aliases > MAX_ALIASES:
            raise InvalidDocument(
                f"line {line_number}: with its aliases written out it has over {MAX_VALUES:,} values, or it has over "
                f"{MAX_ALIASES:,} aliases."
            )
        if characters > MAX_CHARACTERS:
            raise InvalidDocument(
                f"line {line_number}: with its aliases written out it has over {MAX_CHARACTERS:,} characters."
            )


class _Loader(yaml.CSafeLoader):
    """Plain values by the core schema of YAML 1.2; keys are texts, and unique."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def construct_mapping(self, node: yaml.Node, deep: bool = False) -> dict[Any, Any]:
        mapping = cast(yaml.MappingNode, node)
        own_keys = [key for key, _ in mapping.value if key.tag != "tag:yaml.org,2002:merge"]
        known_keys: set[str] = set()
        for key in own_keys:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key is a text here", key.start_mark
                )
            if key.value in known_keys:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value[:60]!r} stands twice", key.start_mark
                )
            known_keys.add(key.value)
            key.tag = "tag:yaml.org,2002:str"
        return super().construct_mapping(mapping, deep=deep)


def _construct_text(loader: _Loader, node: yaml.Node) -> str:
    text = str(loader.construct_scalar(cast(yaml.ScalarNode, node)))
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise yaml.constructor.ConstructorError(
            None, None, "a text holds U+0000 or half a surrogate pair", node.start_mark
        )
    return text


def _construct_integer(loader: _Loader, node: yaml.Node) -> int:
    text = str(loader.construct_scalar(cast(yaml.ScalarNode, node)))
    base = {"0x": 16, "0o": 8}.get(text[:2], 10)
    if len(text) > 20:
        raise yaml.constructor.ConstructorError(
            None, None, "a whole number has over 19 digits", node.start_mark
        )
    return int(text, base)


def _construct_float(loader: _Loader, node: yaml.Node) -> float:
    value = float(str(loader.construct_scalar(cast(yaml.ScalarNode, node))))
    if not math.isfinite(value):
        raise yaml.constructor.ConstructorError(
            None, None, "a number is not finite", node.start_mark
        )
    return value


def _reject_tag(loader: _Loader, node: yaml.Node) -> None:
    raise yaml.constructor.ConstructorError(
        None, None, f"the tag {node.tag[:60]!r} is not read here", node.start_mark
    )


_CORE_TAG_PREFIX = "tag:yaml.org,2002:"
for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?",
        list("-+.0123456789"),
    ),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(_CORE_TAG_PREFIX + _tag, re.compile(f"(?:{_pattern})$"), _first)
_Loader.add_constructor(_CORE_TAG_PREFIX + "str", _construct_text)
_Loader.add_constructor(_CORE_TAG_PREFIX + "int", _construct_integer)
_Loader.add_constructor(_CORE_TAG_PREFIX + "float", _construct_float)
for _tag in ("timestamp", "binary", "set", "omap", "pairs"):
    _Loader.add_constructor(_CORE_TAG_PREFIX + _tag, _reject_tag)
_Loader.add_constructor(None, _reject_tag)
