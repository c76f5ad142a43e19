"""What the schema says of an endpoint beside its parameters: every status, the headers, the shape of its body."""

from collections.abc import Iterable, Set
from typing import Any, Literal

from pydantic import TypeAdapter

from . import idempotency, problems, responses

SCHEMA_REF = "#/components/schemas/{model}"

# Whether a write takes an `Idempotency-Key`.
type KeyRequirement = Literal["", "optional", "required"]

# What a file may be called that is sent as it is.
FILE_TYPES = (responses.ENVELOPE, responses.MEDIA_TYPE, "application/octet-stream")

# The shapes of bodies, by name, for the schema.
BODY_SCHEMAS: dict[str, Any] = {}


def describe_operation(
    method: str,
    path: str,
    status: int,
    error_statuses: Iterable[int],
    *,
    codes: Set[str],
    scope: str,
    body: Any,
    key_requirement: KeyRequirement,
    media_type: str,
    takes_file: bool,
    is_located: bool,
    extra_media_types: tuple[str, ...],
) -> dict[str, Any]:
    """What the schema says beside the parameters: every status, the headers, the body's shape."""
    statuses = {401, 403, 415, 422, 429, 500, 503, *error_statuses}
    extra: dict[str, Any] = {"x-scope": scope or "none", "responses": {}}
    if "{" in path:
        statuses.add(404)
    if method == "GET":
        statuses.add(412)
        etag = _describe_response_header("ETag", "a digest of the answer")
        extra["responses"][status] = dict(etag)
        unchanged = "What `If-None-Match` names is current"
        extra["responses"]["304"] = {"description": unchanged, **etag}
        extra["parameters"] = [
            _describe_parameter("If-None-Match", "an ETag that the caller holds an answer of"),
            _describe_parameter("If-Match", "the ETag that the answer must have, or it is refused"),
        ]
    if media_type:
        extra["responses"][status]["content"] = {media_type: {"schema": _describe_file(media_type)}}
    if takes_file:
        statuses |= {400, 413}
        file = {"schema": {"type": "string", "format": "binary"}}
        extra["requestBody"] = {"required": True, "content": dict.fromkeys(FILE_TYPES, file)}
    if body is not None:
        statuses |= {400, 413}
        binary = {"schema": {"type": "string", "format": "binary"}}
        extra["requestBody"] = {
            "required": True,
            "content": {responses.MEDIA_TYPE: {"schema": _reference_schema(body)}}
            | dict.fromkeys(extra_media_types, binary),
        }
    if is_located:
        extra["responses"][status] = _describe_response_header("Location", "where it is found")
    if key_requirement:
        extra["parameters"] = [
            _describe_parameter(
                idempotency.HEADER,
                "a write sent again under the same key is not done again",
                required=key_requirement == "required",
            )
        ]
    codes = codes - _find_inapplicable_codes(method, extra_media_types=extra_media_types)
    for error_status in sorted(statuses):
        meanings = [
            f"`{code}`: {entry.title}"
            for code, entry in problems.CATALOGUE.items()
            if entry.status == error_status and code in codes
        ]
        extra["responses"][str(error_status)] = {
            "description": "; ".join(meanings),
            "content": {
                problems.MEDIA_TYPE: {"schema": {"$ref": SCHEMA_REF.format(model="Problem")}}
            },
        }
    extra["responses"]["401"] |= _describe_response_header(
        "WWW-Authenticate", "how to say who calls"
    )
    extra["responses"]["429"] |= _describe_response_header(
        "Retry-After", "seconds until there is room"
    )
    return extra


def _describe_file(media_type: str) -> dict[str, Any]:
    """The schema of a file of this type: an envelope is JSON, a table text, all else bytes."""
    if media_type == responses.ENVELOPE:
        return _reference_schema(responses.EnvelopeOut)
    return (
        {"type": "string"}
        if media_type == responses.CSV
        else {"type": "string", "format": "binary"}
    )


def _reference_schema(body: Any) -> dict[str, Any]:
    """The schema of a shape, which the components hold if it has a name."""
    schema = TypeAdapter(body).json_schema(ref_template=SCHEMA_REF)
    BODY_SCHEMAS.update(schema.pop("$defs", {}))
    if "title" in schema and schema.get("type") == "object":
        BODY_SCHEMAS[schema["title"]] = schema
        return {"$ref": SCHEMA_REF.format(model=schema["title"])}
    return schema


def _find_inapplicable_codes(method: str, *, extra_media_types: tuple[str, ...]) -> set[str]:
    """Codes that only another method, or another format of bodies, can bring about."""
    inapplicable = {"invalid_json"} if method == "GET" else {"invalid_cursor"}
    return inapplicable if extra_media_types else inapplicable | {"invalid_telemetry"}


def _describe_response_header(name: str, description: str) -> dict[str, Any]:
    """A header that an answer always has."""
    return {"headers": {name: {"required": True, **_describe_header(description)}}}


def _describe_header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


def _describe_parameter(name: str, description: str, *, required: bool = False) -> dict[str, Any]:
    return {"in": "header", "name": name, "required": required, **_describe_header(description)}
