"""JSON out: written in one pass by the declared shape, with an ETag of its bytes."""

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response
from pydantic import TypeAdapter

MEDIA_TYPE = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Created[T]:
    """What a write made: its body and where it is found. `kept` stands in for the body when the answer is replayed
    (None: the body itself), for what must not be stored."""

    body: T
    location: str
    kept: T | None = None


@cache
def adapter(shape: Any) -> TypeAdapter[Any]:
    """The compiled writer of a shape."""
    return TypeAdapter(shape)


def write(body: object, *, shape: Any) -> bytes:
    """`body` as JSON; floats that are no numbers become null."""
    return adapter(shape).dump_json(body)


def read_answer(request: HttpRequest, raw: bytes) -> HttpResponse:
    """A 200 whose ETag is a digest of its bytes, or a 304 to a caller who has them already.

    It may be stored by the caller alone, who asks again before each use: a withdrawn thing is gone at once.
    """
    etag = f'"{hashlib.blake2b(raw, digest_size=16).hexdigest()}"'
    response = HttpResponse(raw, content_type=MEDIA_TYPE)
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    response["Vary"] = "Authorization, Cookie"
    conditional = get_conditional_response(request, etag=etag, response=response)
    assert isinstance(conditional, HttpResponse)
    return conditional


def write_answer(raw: bytes, *, status: int, location: str | None = None) -> HttpResponse:
    """The answer to a write; nobody keeps it."""
    response = HttpResponse(raw, status=status, content_type=MEDIA_TYPE if raw else None)
    if not raw:
        del response["Content-Type"]
    response["Cache-Control"] = "no-store"
    if location:
        response["Location"] = location
    return response
