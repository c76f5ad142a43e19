"""The reference of this door as pages of the docs, made from its schema: one for each group, and one of all shapes."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "docs/reference"
_MADE = "<!-- Made by `python -m mintmark.api.openapi`; what is changed here by hand is lost. -->"
_PREFIX = "/api/v1"
_MOST_CODES = 12
_REFERENCE = re.compile(r"#/components/schemas/(\w+)")
_SUCCESSES = ("200", "201", "204", "304")

type Schema = dict[str, Any]


def rendered(schema: Schema) -> dict[str, str]:
    """The pages by the names of their files."""
    groups = {tag["name"]: tag["description"] for tag in schema["tags"]}
    pages = {"index.md": _index(schema, groups), "shapes.md": _shapes(schema)}
    for group, description in groups.items():
        pages[f"{group}.md"] = _group(schema, group, description)
    return {name: "\n".join([*lines, _MADE]) + "\n" for name, lines in pages.items()}


def write(schema: Schema) -> None:
    """Write the pages, and take away those of groups that are gone."""
    FOLDER.mkdir(exist_ok=True)
    pages = rendered(schema)
    for stale in FOLDER.glob("*.md"):
        if stale.name not in pages:
            stale.unlink()
    for name, text in pages.items():
        (FOLDER / name).write_text(text)


def _index(schema: Schema, groups: dict[str, str]) -> Iterator[str]:
    yield "# Reference of the API"
    yield ""
    yield from schema["info"]["description"].strip().split("\n")
    yield ""
    yield (
        "These pages are made from `openapi.json`; `/api/v1/docs` on a server shows the same, to be tried. "
        "[The API](../api.md) tells in what order one uses it, with examples."
    )
    yield ""
    yield from _table(
        ("group", "endpoints", "what it is about"),
        (
            (
                f"[{_title(group)}]({group}.md)",
                str(len(list(_operations(schema, group)))),
                _cell(description),
            )
            for group, description in groups.items()
        ),
    )
    yield "## Of every endpoint"
    yield ""
    yield (
        "Reads answer with an `ETag`, and with 304 and no body to an `If-None-Match` that names it. Lists give `limit` "
        "entries and the `next_cursor`, which is null on the last page."
    )
    yield ""
    yield (
        "Paths begin with `/api/v1`. A refusal is a problem with a `code`, which [errors](../errors.md) explains; "
        "besides what each endpoint says, any may answer:"
    )
    yield ""
    yield from _table(("status", "when"), _OF_ALL)


_OF_ALL = (
    ("401", "there is no key and no session, or the key is unknown, revoked or expired"),
    (
        "403",
        "the key lacks the scope, its holder the role or the right; a session sent no CSRF token",
    ),
    ("412", "a read has not the `ETag` that `If-Match` names"),
    ("413", "the body is larger than the server takes"),
    ("415", "the body is of a type that is not taken"),
    (
        "422",
        "a path, a parameter or a body does not have the declared shape, or what it says is refused",
    ),
    ("429", "the caller asks more often than it may; `Retry-After` says when to ask again"),
    ("500", "the server made a mistake"),
    (
        "503",
        "the database is busy or away, or scores do not include yet what was asked for",
    ),
)
_OF_READS = ("If-Match", "If-None-Match")
_OF_ALL_STATUSES = {status for status, _ in _OF_ALL}


def _group(schema: Schema, group: str, description: str) -> Iterator[str]:
    yield f"# {_title(group)}"
    yield ""
    yield f"{description[:1].upper()}{description[1:]}"
    yield ""
    for method, path, operation in _operations(schema, group):
        yield from _operation(schema, method, path, operation)


def _operation(schema: Schema, method: str, path: str, operation: Schema) -> Iterator[str]:
    yield f"## {method.upper()} {path.removeprefix(_PREFIX)}"
    yield ""
    yield f"{operation['summary']}."
    yield ""
    told, _, _ = operation["description"].rpartition("Takes ")
    if told.strip():
        yield told.strip()
        yield ""
    scope = operation["x-scope"]
    yield "**Open** to everybody." if scope == "none" else f"**Takes** the scope `{scope}`."
    yield ""
    parameters = [one for one in operation["parameters"] if one["name"] not in _OF_READS]
    if parameters:
        yield from _table(("parameter", "in", "type", "what it says"), map(_parameter, parameters))
    yield from _body(schema, operation)
    yield from _answers(schema, operation)
    yield from _refusals(operation)


def _parameter(parameter: Schema) -> tuple[str, ...]:
    shape = parameter["schema"]
    said = parameter.get("description", "")
    if parameter["required"]:
        said = f"{said}{'; ' if said else ''}required"
    elif shape.get("default") not in (None, ""):
        said = f"{said}{'; ' if said else ''}without it `{_json(shape['default'])}`"
    return f"`{parameter['name']}`", parameter["in"], _type(shape), _cell(said)


def _body(schema: Schema, operation: Schema) -> Iterator[str]:
    content = operation.get("requestBody", {}).get("content", {})
    if not content:
        return
    shape = content.get("application/json", {}).get("schema")
    others = [f"`{media}`" for media in content if media != "application/json"]
    if shape is None or shape.get("format") == "binary":
        yield f"**Body:** a file, as it is, sent as {' or '.join(f'`{media}`' for media in content)}."
        yield ""
        return
    also = f", or as {' or '.join(others)}" if others else ""
    yield f"**Body:** {_type(shape)} as JSON{also}."
    yield ""
    yield from _unfolded(schema, shape, is_sent=True)


def _answers(schema: Schema, operation: Schema) -> Iterator[str]:
    for status in _SUCCESSES:
        response = operation["responses"].get(status)
        if response is None or status == "304":
            continue
        content = response.get("content", {})
        shape = content.get("application/json", {}).get("schema")
        headers = [f"`{name}`" for name in response.get("headers", {}) if name != "ETag"]
        also = f", with {' and '.join(headers)}" if headers else ""
        if shape is not None:
            yield f"**Answers** {status}{also}: {_type(shape)}."
        elif content:
            yield f"**Answers** {status}{also}: a file, `{'` or `'.join(content)}`."
        else:
            yield f"**Answers** {status}, with nothing."
        yield ""
        if shape is not None:
            yield from _unfolded(schema, shape, is_sent=False)


def _unfolded(schema: Schema, shape: Schema, *, is_sent: bool) -> Iterator[str]:
    """The members of a shape, of each that it may be, and of what its list `items` holds."""
    for one in shape.get("anyOf", [shape]):
        found = _named(schema, one)
        if "anyOf" in shape and "properties" in found:
            yield f"{_type(one)}:"
            yield ""
        yield from _description(found)
        yield from _members(found, is_sent=is_sent)
        entry = found.get("properties", {}).get("items", {}).get("items", {})
        if "$ref" in entry:
            yield f"Each of `items` is a {_type(entry)}."
            yield ""
            yield from _description(_named(schema, entry))
            yield from _members(_named(schema, entry), is_sent=is_sent)


def _refusals(operation: Schema) -> Iterator[str]:
    told = []
    for status, response in operation["responses"].items():
        codes = [
            f"`{part.split('`')[1]}`" for part in response["description"].split("; ") if "`" in part
        ]
        is_usual = status in _OF_ALL_STATUSES or status in _SUCCESSES
        if not is_usual and 0 < len(codes) <= _MOST_CODES:
            told.append(f"{status} {', '.join(codes)}")
        elif not is_usual:
            told.append(status)
    if told:
        yield f"**Refuses** besides with {'; '.join(told)}."
        yield ""


def _shapes(schema: Schema) -> Iterator[str]:
    sent = _sent(schema)
    yield "# Shapes"
    yield ""
    yield "What goes in and what comes out, by name. `or null` is said of what may be missing."
    yield ""
    for name, shape in sorted(
        schema["components"]["schemas"].items(), key=lambda one: one[0].lower()
    ):
        yield f"## {name}"
        yield ""
        yield from _description(shape)
        if "properties" in shape:
            yield from _members(shape, is_sent=name in sent)
        else:
            yield f"{_type(shape)}."
            yield ""


def _description(shape: Schema) -> Iterator[str]:
    if "properties" in shape and (said := shape.get("description", "").strip()):
        yield said
        yield ""


def _sent(schema: Schema) -> set[str]:
    """The names of shapes that bodies are made of."""
    found: set[str] = set()
    pending = [
        operation.get("requestBody", {})
        for methods in schema["paths"].values()
        for operation in methods.values()
    ]
    while pending:
        for name in set(_REFERENCE.findall(json.dumps(pending.pop()))) - found:
            found.add(name)
            pending.append(schema["components"]["schemas"][name])
    return found


def _members(shape: Schema, *, is_sent: bool) -> Iterator[str]:
    members = shape.get("properties", {})
    if not members:
        return
    required = set(shape.get("required", ()))
    rows = []
    for name, member in members.items():
        said = member.get("description", "")
        if is_sent and name in required:
            said = f"{said}{'; ' if said else ''}required"
        elif is_sent and member.get("default") not in (None, "", [], {}):
            said = f"{said}{'; ' if said else ''}without it `{_json(member['default'])}`"
        rows.append((f"`{name}`", _type(member), _cell(said)))
    if any(said for *_, said in rows):
        yield from _table(("member", "type", "what it says"), rows)
    else:
        yield from _table(("member", "type"), (row[:2] for row in rows))


def _type(shape: Schema) -> str:
    """What a value is, in words; a shape that has a name is a link."""
    if "$ref" in shape:
        name = shape["$ref"].rpartition("/")[2]
        return f"[{name}](shapes.md#{name.lower()})"
    if "anyOf" in shape:
        return " or ".join(dict.fromkeys(_type(one) for one in shape["anyOf"]))
    if "allOf" in shape:
        return " and ".join(_type(one) for one in shape["allOf"])
    if "enum" in shape:
        return ", ".join(f"`{_cell(_json(value))}`" for value in shape["enum"])
    if "const" in shape:
        return f"`{_json(shape['const'])}`"
    match shape.get("type"):
        case "array" if "prefixItems" in shape:
            return f"list of {', '.join(_type(one) for one in shape['prefixItems'])}"
        case "array":
            return f"list of {_type(shape.get('items', {}))}{_bounds(shape, 'Items')}"
        case "object" if isinstance(shape.get("additionalProperties"), dict):
            return f"object of {_type(shape['additionalProperties'])}"
        case "string":
            kind = {"date-time": "time", "binary": "bytes", "uri": "address"}.get(
                shape.get("format", "")
            )
            return f"{kind or 'text'}{_bounds(shape, 'Length')}"
        case "integer":
            return f"whole number{_bounds(shape, 'imum')}"
        case "number":
            return f"number{_bounds(shape, 'imum')}"
        case "boolean":
            return "true or false"
        case "null":
            return "null"
        case "object":
            return "object"
    return "any JSON"


def _bounds(shape: Schema, of: str) -> str:
    low, high = shape.get(f"min{of}"), shape.get(f"max{of}")
    if high is not None and high >= 2**53:
        high = None
    if low is not None and high is not None:
        return f" ({low:,} to {high:,})"
    if high is not None:
        return f" (at most {high:,})"
    return f" (from {low:,})" if low else ""


def _named(schema: Schema, shape: Schema) -> Schema:
    """A shape, or the one that it names."""
    name = shape.get("$ref", "").rpartition("/")[2]
    found: Schema = schema["components"]["schemas"][name] if name else shape
    return found


def _operations(schema: Schema, group: str) -> Iterator[tuple[str, str, Schema]]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            if operation["tags"] == [group]:
                yield method, path, operation


def _title(group: str) -> str:
    words = {"otlp": "OTLP"}.get(group, group.replace("_", " "))
    return f"{words[:1].upper()}{words[1:]}"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    columns = list(head)
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
