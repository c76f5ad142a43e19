"""The reference of this door as pages of the docs, made from its schema: one for each group, and one of all shapes."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "docs/reference"
_GENERATED_NOTE = (
    "<!-- Made by `python -m mintmark.api.openapi`; what is changed here by hand is lost. -->"
)
_PREFIX = "/api/v1"
_MAX_CODES = 12
_SCHEMA_REFERENCE = re.compile(r"#/components/schemas/(\w+)")
_SUCCESSES = ("200", "201", "204", "304")

type Schema = dict[str, Any]


def render_pages(schema: Schema) -> dict[str, str]:
    """The pages by the names of their files."""
    groups = {tag["name"]: tag["description"] for tag in schema["tags"]}
    pages = {"index.md": _render_index(schema, groups), "shapes.md": _render_schemas(schema)}
    for group, description in groups.items():
        pages[f"{group}.md"] = _render_group(schema, group, description)
    return {
        name: "\n".join([*page_lines, _GENERATED_NOTE]) + "\n" for name, page_lines in pages.items()
    }


def write_pages(schema: Schema) -> None:
    """Write the pages, and take away those of groups that are gone."""
    FOLDER.mkdir(exist_ok=True)
    pages = render_pages(schema)
    for stale in FOLDER.glob("*.md"):
        if stale.name not in pages:
            stale.unlink()
    for name, text in pages.items():
        (FOLDER / name).write_text(text)


def _render_index(schema: Schema, groups: dict[str, str]) -> Iterator[str]:
    yield "# Reference of the API"
    yield ""
    yield from schema["info"]["description"].strip().split("\n")
    yield ""
    yield (
        "These pages are made from `openapi.json`; `/api/v1/docs` on a server shows the same, to be tried. "
        "[The API](../api.md) tells in what order one uses it, with examples."
    )
    yield ""
    yield from _render_table(
        ("group", "endpoints", "what it is about"),
        (
            (
                f"[{_format_title(group)}]({group}.md)",
                str(len(list(_list_operations(schema, group)))),
                _escape_cell(description),
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
    yield from _render_table(("status", "when"), _COMMON_ERRORS)


_COMMON_ERRORS = (
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
_CONDITIONAL_HEADERS = ("If-Match", "If-None-Match")
_COMMON_STATUSES = {status for status, _ in _COMMON_ERRORS}


def _render_group(schema: Schema, group: str, description: str) -> Iterator[str]:
    yield f"# {_format_title(group)}"
    yield ""
    yield f"{description[:1].upper()}{description[1:]}"
    yield ""
    for method, path, operation in _list_operations(schema, group):
        yield from _render_operation(schema, method, path, operation)


def _render_operation(schema: Schema, method: str, path: str, operation: Schema) -> Iterator[str]:
    yield f"## {method.upper()} {path.removeprefix(_PREFIX)}"
    yield ""
    yield f"{operation['summary']}."
    yield ""
    description, _, _ = operation["description"].rpartition("Takes ")
    if description.strip():
        yield description.strip()
        yield ""
    scope = operation["x-scope"]
    yield "**Open** to everybody." if scope == "none" else f"**Takes** the scope `{scope}`."
    yield ""
    parameters = [
        parameter
        for parameter in operation["parameters"]
        if parameter["name"] not in _CONDITIONAL_HEADERS
    ]
    if parameters:
        yield from _render_table(
            ("parameter", "in", "type", "what it says"), map(_render_parameter, parameters)
        )
    yield from _render_body(schema, operation)
    yield from _render_responses(schema, operation)
    yield from _render_errors(operation)


def _render_parameter(parameter: Schema) -> tuple[str, ...]:
    shape = parameter["schema"]
    description = parameter.get("description", "")
    if parameter["required"]:
        description = f"{description}{'; ' if description else ''}required"
    elif shape.get("default") not in (None, ""):
        description = f"{description}{'; ' if description else ''}without it `{_format_json(shape['default'])}`"
    return (
        f"`{parameter['name']}`",
        parameter["in"],
        _describe_type(shape),
        _escape_cell(description),
    )


def _render_body(schema: Schema, operation: Schema) -> Iterator[str]:
    content = operation.get("requestBody", {}).get("content", {})
    if not content:
        return
    shape = content.get("application/json", {}).get("schema")
    other_types = [f"`{media}`" for media in content if media != "application/json"]
    if shape is None or shape.get("format") == "binary":
        yield f"**Body:** a file, as it is, sent as {' or '.join(f'`{media}`' for media in content)}."
        yield ""
        return
    also = f", or as {' or '.join(other_types)}" if other_types else ""
    yield f"**Body:** {_describe_type(shape)} as JSON{also}."
    yield ""
    yield from _render_expanded(schema, shape, is_sent=True)


def _render_responses(schema: Schema, operation: Schema) -> Iterator[str]:
    for status in _SUCCESSES:
        response = operation["responses"].get(status)
        if response is None or status == "304":
            continue
        content = response.get("content", {})
        shape = content.get("application/json", {}).get("schema")
        headers = [f"`{name}`" for name in response.get("headers", {}) if name != "ETag"]
        also = f", with {' and '.join(headers)}" if headers else ""
        if shape is not None:
            yield f"**Answers** {status}{also}: {_describe_type(shape)}."
        elif content:
            yield f"**Answers** {status}{also}: a file, `{'` or `'.join(content)}`."
        else:
            yield f"**Answers** {status}, with nothing."
        yield ""
        if shape is not None:
            yield from _render_expanded(schema, shape, is_sent=False)


def _render_expanded(schema: Schema, shape: Schema, *, is_sent: bool) -> Iterator[str]:
    """The members of a shape, of each that it may be, and of what its list `items` holds."""
    for variant in shape.get("anyOf", [shape]):
        resolved = _resolve_schema(schema, variant)
        if "anyOf" in shape and "properties" in resolved:
            yield f"{_describe_type(variant)}:"
            yield ""
        yield from _render_description(resolved)
        yield from _render_members(resolved, is_sent=is_sent)
        entry = resolved.get("properties", {}).get("items", {}).get("items", {})
        if "$ref" in entry:
            yield f"Each of `items` is a {_describe_type(entry)}."
            yield ""
            yield from _render_description(_resolve_schema(schema, entry))
            yield from _render_members(_resolve_schema(schema, entry), is_sent=is_sent)


def _render_errors(operation: Schema) -> Iterator[str]:
    statuses = []
    for status, response in operation["responses"].items():
        codes = [
            f"`{code_text.split('`')[1]}`"
            for code_text in response["description"].split("; ")
            if "`" in code_text
        ]
        is_usual = status in _COMMON_STATUSES or status in _SUCCESSES
        if not is_usual and 0 < len(codes) <= _MAX_CODES:
            statuses.append(f"{status} {', '.join(codes)}")
        elif not is_usual:
            statuses.append(status)
    if statuses:
        yield f"**Refuses** besides with {'; '.join(statuses)}."
        yield ""


def _render_schemas(schema: Schema) -> Iterator[str]:
    sent = _find_request_schemas(schema)
    yield "# Shapes"
    yield ""
    yield "What goes in and what comes out, by name. `or null` is said of what may be missing."
    yield ""
    for name, shape in sorted(
        schema["components"]["schemas"].items(), key=lambda item: item[0].lower()
    ):
        yield f"## {name}"
        yield ""
        yield from _render_description(shape)
        if "properties" in shape:
            yield from _render_members(shape, is_sent=name in sent)
        else:
            yield f"{_describe_type(shape)}."
            yield ""


def _render_description(shape: Schema) -> Iterator[str]:
    if "properties" in shape and (description := shape.get("description", "").strip()):
        yield description
        yield ""


def _find_request_schemas(schema: Schema) -> set[str]:
    """The names of shapes that bodies are made of."""
    names: set[str] = set()
    pending = [
        operation.get("requestBody", {})
        for methods in schema["paths"].values()
        for operation in methods.values()
    ]
    while pending:
        for name in set(_SCHEMA_REFERENCE.findall(json.dumps(pending.pop()))) - names:
            names.add(name)
            pending.append(schema["components"]["schemas"][name])
    return names


def _render_members(shape: Schema, *, is_sent: bool) -> Iterator[str]:
    members = shape.get("properties", {})
    if not members:
        return
    required = set(shape.get("required", ()))
    rows = []
    for name, member in members.items():
        description = member.get("description", "")
        if is_sent and name in required:
            description = f"{description}{'; ' if description else ''}required"
        elif is_sent and member.get("default") not in (None, "", [], {}):
            description = f"{description}{'; ' if description else ''}without it `{_format_json(member['default'])}`"
        rows.append((f"`{name}`", _describe_type(member), _escape_cell(description)))
    if any(description for *_, description in rows):
        yield from _render_table(("member", "type", "what it says"), rows)
    else:
        yield from _render_table(("member", "type"), (row[:2] for row in rows))


def _describe_type(shape: Schema) -> str:
    """What a value is, in words; a shape that has a name is a link."""
    if "$ref" in shape:
        name = shape["$ref"].rpartition("/")[2]
        return f"[{name}](shapes.md#{name.lower()})"
    if "anyOf" in shape:
        return " or ".join(dict.fromkeys(_describe_type(variant) for variant in shape["anyOf"]))
    if "allOf" in shape:
        return " and ".join(_describe_type(variant) for variant in shape["allOf"])
    if "enum" in shape:
        return ", ".join(f"`{_escape_cell(_format_json(value))}`" for value in shape["enum"])
    if "const" in shape:
        return f"`{_format_json(shape['const'])}`"
    match shape.get("type"):
        case "array" if "prefixItems" in shape:
            return (
                f"list of {', '.join(_describe_type(variant) for variant in shape['prefixItems'])}"
            )
        case "array":
            return f"list of {_describe_type(shape.get('items', {}))}{_describe_bounds(shape, 'Items')}"
        case "object" if isinstance(shape.get("additionalProperties"), dict):
            return f"object of {_describe_type(shape['additionalProperties'])}"
        case "string":
            kind = {"date-time": "time", "binary": "bytes", "uri": "address"}.get(
                shape.get("format", "")
            )
            return f"{kind or 'text'}{_describe_bounds(shape, 'Length')}"
        case "integer":
            return f"whole number{_describe_bounds(shape, 'imum')}"
        case "number":
            return f"number{_describe_bounds(shape, 'imum')}"
        case "boolean":
            return "true or false"
        case "null":
            return "null"
        case "object":
            return "object"
    return "any JSON"


def _describe_bounds(shape: Schema, of: str) -> str:
    low, high = shape.get(f"min{of}"), shape.get(f"max{of}")
    if high is not None and high >= 2**53:
        high = None
    if low is not None and high is not None:
        return f" ({low:,} to {high:,})"
    if high is not None:
        return f" (at most {high:,})"
    return f" (from {low:,})" if low else ""


def _resolve_schema(schema: Schema, shape: Schema) -> Schema:
    """A shape, or the one that it names."""
    name = shape.get("$ref", "").rpartition("/")[2]
    resolved: Schema = schema["components"]["schemas"][name] if name else shape
    return resolved


def _list_operations(schema: Schema, group: str) -> Iterator[tuple[str, str, Schema]]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            if operation["tags"] == [group]:
                yield method, path, operation


def _format_title(group: str) -> str:
    special_titles = {"otlp": "OTLP"}.get(group, group.replace("_", " "))
    return f"{special_titles[:1].upper()}{special_titles[1:]}"


def _render_table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    columns = list(head)
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def _escape_cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _format_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
