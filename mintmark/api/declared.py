"""What the schema says of an endpoint beside its parameters: every status, the headers, the shape of its body."""

from collections.abc import Iterable, Set
from typing import Any, Literal

from pydantic import TypeAdapter

from . import answers, problems, replays

REF = "#/components/schemas/{model}"

# Whether a write takes an `Idempotency-Key`.
type KeyTaken = Literal["", "optional", "required"]

# What a file may be called that is sent as it is.
FILE_TYPES = (answers.ENVELOPE, answers.MEDIA_TYPE, "application/octet-stream")

# The shapes of bodies, by name, for the schema.
BODY_SHAPES: dict[str, Any] = {}


def operation(
    method: str,
    path: str,
    status: int,
    refuses: Iterable[int],
    *,
    codes: Set[str],
    scope: str,
    body: Any,
    key: KeyTaken,
    media: str,
    takes_file: bool,
    is_located: bool,
    also: tuple[str, ...],
) -> dict[str, Any]:
    """What the schema says beside the parameters: every status, the headers, the body's shape."""
    statuses = {401, 403, 415, 422, 429, 500, 503, *refuses}
    extra: dict[str, Any] = {"x-scope": scope or "none", "responses": {}}
    if "{" in path:
        statuses.add(404)
    if method == "GET":
        statuses.add(412)
        etag = _sent("ETag", "a digest of the answer")
        extra["responses"][status] = dict(etag)
        unchanged = "What `If-None-Match` names is current"
        extra["responses"]["304"] = {"description": unchanged, **etag}
        extra["parameters"] = [
            _parameter("If-None-Match", "an ETag that the caller holds an answer of"),
            _parameter("If-Match", "the ETag that the answer must have, or it is refused"),
        ]
    if media:
        extra["responses"][status]["content"] = {media: {"schema": _file(media)}}
    if takes_file:
        statuses |= {400, 413}
        file = {"schema": {"type": "string", "format": "binary"}}
        extra["requestBody"] = {"required": True, "content": dict.fromkeys(FILE_TYPES, file)}
    if body is not None:
        statuses |= {400, 413}
        binary = {"schema": {"type": "string", "format": "binary"}}
        extra["requestBody"] = {
            "required": True,
            "content": {answers.MEDIA_TYPE: {"schema": _referred(body)}}
            | dict.fromkeys(also, binary),
        }
    if is_located:
        extra["responses"][status] = _sent("Location", "where it is found")
    if key:
        extra["parameters"] = [
            _parameter(
                replays.HEADER,
                "a write sent again under the same key is not done again",
                required=key == "required",
            )
        ]
    codes = codes - _of_others(method, also=also)
    for refused in sorted(statuses):
        meant = [
            f"`{code}`: {entry.title}"
            for code, entry in problems.CATALOGUE.items()
            if entry.status == refused and code in codes
        ]
        extra["responses"][str(refused)] = {
            "description": "; ".join(meant),
            "content": {problems.MEDIA_TYPE: {"schema": {"$ref": REF.format(model="Problem")}}},
        }
    extra["responses"]["401"] |= _sent("WWW-Authenticate", "how to say who calls")
    extra["responses"]["429"] |= _sent("Retry-After", "seconds until there is room")
    return extra


def _file(media: str) -> dict[str, Any]:
    """The schema of a file of this type: an envelope is JSON, a table text, all else bytes."""
    if media == answers.ENVELOPE:
        return _referred(answers.EnvelopeShape)
    return {"type": "string"} if media == answers.CSV else {"type": "string", "format": "binary"}


def _referred(body: Any) -> dict[str, Any]:
    """The schema of a shape, which the components hold if it has a name."""
    shape = TypeAdapter(body).json_schema(ref_template=REF)
    BODY_SHAPES.update(shape.pop("$defs", {}))
    if "title" in shape and shape.get("type") == "object":
        BODY_SHAPES[shape["title"]] = shape
        return {"$ref": REF.format(model=shape["title"])}
    return shape


def _of_others(method: str, *, also: tuple[str, ...]) -> set[str]:
    """Codes that only another method, or another format of bodies, can bring about."""
    others = {"invalid_json"} if method == "GET" else {"invalid_cursor"}
    return others if also else others | {"invalid_telemetry"}


def _sent(name: str, description: str) -> dict[str, Any]:
    """A header that an answer always has."""
    return {"headers": {name: {"required": True, **_header(description)}}}


def _header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


def _parameter(name: str, description: str, *, required: bool = False) -> dict[str, Any]:
    return {"in": "header", "name": name, "required": required, **_header(description)}
