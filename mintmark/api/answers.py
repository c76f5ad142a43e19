"""JSON out: written in one pass by the declared shape, with an ETag of its bytes. And files out: CSV for tables, signed
envelopes byte for byte."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypedDict, cast

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from pydantic import TypeAdapter

from mintmark.core import tables

from . import refusals

MEDIA_TYPE = "application/json"
CSV = "text/csv"
ENVELOPE = "application/vnd.dsse.envelope.v1+json"
"""A signed file, as DSSE names it."""
ZIP = "application/zip"
_PUBLIC_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Created[T]:
    """What a write made: its body and where it is found. `kept` stands in for the body when the answer is replayed
    (None: the body itself), for what must not be stored. `is_replay` says that a book knew the key: it was made
    before."""

    body: T
    location: str
    kept: T | None = None
    is_replay: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A table to download: as CSV its columns and rows, else the `parts` of a file of the type `media`. `version` is
    another text whenever its rows are others; they are read as they are sent."""

    name: str
    version: str
    columns: Sequence[str] = ()
    rows: Iterable[Sequence[object]] = ()
    parts: Iterable[bytes] | None = None
    media: str = CSV


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A signed file to download, exactly as it was signed (or a zip of such files)."""

    name: str
    raw: bytes
    media: str = ENVELOPE


class SignatureShape(TypedDict):
    """A signature of an envelope, in base64, and the id of the key that made it."""

    keyid: str
    sig: str


class EnvelopeShape(TypedDict):
    """A DSSE envelope: what was signed, in base64, its type, and who signed it."""

    payload: str
    payloadType: str  # DSSE spells it so
    signatures: list[SignatureShape]


@cache
def adapter(shape: Any) -> TypeAdapter[Any]:
    """The compiled writer of a shape."""
    return TypeAdapter(shape)


def write(body: object, *, shape: Any) -> bytes:
    """`body` as JSON; floats that are no numbers become null."""
    return adapter(shape).dump_json(body)


def read_answer(request: HttpRequest, raw: bytes) -> HttpResponse:
    """A 200 whose ETag is a digest of its bytes, or a 304 to a caller who has them already, or `PreconditionFailed`.

    It may be stored by the caller alone, who asks again before each use: a withdrawn thing is gone at once.
    """
    conditional = _conditional(request, HttpResponse(raw, content_type=MEDIA_TYPE), of=raw)
    assert isinstance(conditional, HttpResponse)
    return conditional


def file_answer(request: HttpRequest, file: File) -> HttpResponseBase:
    """A table, streamed, or a 304 to a caller who has this version of it already."""
    response = StreamingHttpResponse(
        file.parts
        if file.parts is not None
        else tables.lines(columns=file.columns, rows=file.rows),
        content_type=f"{CSV}; charset=utf-8" if file.media == CSV else file.media,
    )
    response["Content-Disposition"] = f'attachment; filename="{file.name}"'
    return _conditional(request, response, of=file.version.encode())


def envelope_answer(request: HttpRequest, envelope: Envelope, *, is_public: bool) -> HttpResponse:
    """A signed file, or a 304 to a caller who has it already. A public one may be kept by anybody for a minute."""
    response = HttpResponse(envelope.raw, content_type=envelope.media)
    response["Content-Disposition"] = f'attachment; filename="{envelope.name}"'
    conditional = _conditional(request, response, of=envelope.raw)
    if is_public:
        conditional["Cache-Control"] = f"public, max-age={_PUBLIC_SECONDS}"
        del conditional["Vary"]
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


def _conditional(
    request: HttpRequest, response: HttpResponseBase, *, of: bytes
) -> HttpResponseBase:
    etag = f'"{hashlib.blake2b(of, digest_size=16).hexdigest()}"'
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    response["Vary"] = "Authorization, Cookie"
    # It reads and copies headers alone, which every response has.
    whole = cast(HttpResponse, response)
    conditional = get_conditional_response(request, etag=etag, response=whole)
    assert conditional is not None
    if conditional.status_code == 412:
        raise refusals.PreconditionFailed(
            f"If-Match does not name the current answer, whose ETag is {etag}; read it without If-Match."
        )
    return conditional
