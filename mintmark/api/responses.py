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

from mintmark.common import csv_export

from . import api_errors

MEDIA_TYPE = "application/json"
CSV = "text/csv"
ENVELOPE = "application/vnd.dsse.envelope.v1+json"
"""A signed file, as DSSE names it."""
ZIP = "application/zip"
_PUBLIC_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteResult[T]:
    """What a write made: its body and where it is found. `kept` stands in for the body when the answer is replayed
    (None: the body itself), for what must not be stored. `is_replay` says that a book knew the key: it was made
    before."""

    body: T
    location: str
    replay_body: T | None = None
    is_replay: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDownload:
    """A table to download: as CSV its columns and rows, else the `parts` of a file of the type `media`. `version` is
    another text whenever its rows are others; they are read as they are sent."""

    name: str
    version: str
    columns: Sequence[str] = ()
    rows: Iterable[Sequence[object]] = ()
    chunks: Iterable[bytes] | None = None
    media_type: str = CSV


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedFileDownload:
    """A signed file to download, exactly as it was signed (or a zip of such files)."""

    name: str
    raw: bytes
    media_type: str = ENVELOPE


class SignatureOut(TypedDict):
    """A signature of an envelope, in base64, and the id of the key that made it."""

    keyid: str
    sig: str


class EnvelopeOut(TypedDict):
    """A DSSE envelope: what was signed, in base64, its type, and who signed it."""

    payload: str
    payloadType: str  # DSSE spells it so
    signatures: list[SignatureOut]


@cache
def get_adapter(schema: Any) -> TypeAdapter[Any]:
    """The compiled writer of a shape."""
    return TypeAdapter(schema)


def dump_json(body: object, *, schema: Any) -> bytes:
    """`body` as JSON; floats that are no numbers become null."""
    return get_adapter(schema).dump_json(body)


def build_read_response(request: HttpRequest, raw: bytes) -> HttpResponse:
    """A 200 whose ETag is a digest of its bytes, or a 304 to a caller who has them already, or `PreconditionFailed`.

    It may be stored by the caller alone, who asks again before each use: a withdrawn thing is gone at once.
    """
    conditional = _make_conditional(
        request, HttpResponse(raw, content_type=MEDIA_TYPE), etag_source=raw
    )
    assert isinstance(conditional, HttpResponse)
    return conditional


def build_file_response(request: HttpRequest, file: FileDownload) -> HttpResponseBase:
    """A table, streamed, or a 304 to a caller who has this version of it already."""
    response = StreamingHttpResponse(
        file.chunks
        if file.chunks is not None
        else csv_export.render_csv(columns=file.columns, rows=file.rows),
        content_type=f"{CSV}; charset=utf-8" if file.media_type == CSV else file.media_type,
    )
    response["Content-Disposition"] = f'attachment; filename="{file.name}"'
    return _make_conditional(request, response, etag_source=file.version.encode())


def build_signed_file_response(
    request: HttpRequest, envelope: SignedFileDownload, *, is_public: bool
) -> HttpResponse:
    """A signed file, or a 304 to a caller who has it already. A public one may be kept by anybody for a minute."""
    response = HttpResponse(envelope.raw, content_type=envelope.media_type)
    response["Content-Disposition"] = f'attachment; filename="{envelope.name}"'
    conditional = _make_conditional(request, response, etag_source=envelope.raw)
    if is_public:
        conditional["Cache-Control"] = f"public, max-age={_PUBLIC_SECONDS}"
        del conditional["Vary"]
    assert isinstance(conditional, HttpResponse)
    return conditional


def build_write_response(raw: bytes, *, status: int, location: str | None = None) -> HttpResponse:
    """The answer to a write; nobody keeps it."""
    response = HttpResponse(raw, status=status, content_type=MEDIA_TYPE if raw else None)
    if not raw:
        del response["Content-Type"]
    response["Cache-Control"] = "no-store"
    if location:
        response["Location"] = location
    return response


def _make_conditional(
    request: HttpRequest, response: HttpResponseBase, *, etag_source: bytes
) -> HttpResponseBase:
    etag = f'"{hashlib.blake2b(etag_source, digest_size=16).hexdigest()}"'
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    response["Vary"] = "Authorization, Cookie"
    # It reads and copies headers alone, which every response has.
    http_response = cast(HttpResponse, response)
    conditional = get_conditional_response(request, etag=etag, response=http_response)
    assert conditional is not None
    if conditional.status_code == 412:
        raise api_errors.PreconditionFailed(
            f"If-Match does not name the current answer, whose ETag is {etag}; read it without If-Match."
        )
    return conditional
