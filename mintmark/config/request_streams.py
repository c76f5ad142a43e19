"""Bodies whose length no header states: sent in chunks over HTTP/1.1, or as a stream over HTTP/2.

WSGI measures a body by `CONTENT_LENGTH`, and Django reads a request without one as empty. These are read to their end
instead, when somebody asks for them, and at most `MINTMARK_MAX_REQUEST_BYTES` of them.
"""

import io
import re
from typing import Protocol
from wsgiref.types import WSGIEnvironment

from django.conf import settings
from django.core.exceptions import BadRequest, RequestDataTooBig
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.http import UnreadablePostError

_READ_BYTES = 64 * 2**10
_MAX_LINE_BYTES = 4_096
_MAX_TRAILERS = 100
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}")


class ReadableStream(Protocol):
    """What a WSGI server gives as `wsgi.input`."""

    def read(self, size: int, /) -> bytes: ...

    def readline(self, size: int, /) -> bytes: ...


class StreamedRequest(WSGIRequest):
    """A request whose body may come without a stated length; once read, it has one."""

    def __init__(self, environ: WSGIEnvironment) -> None:
        coding = environ.get("HTTP_TRANSFER_ENCODING", "").strip().lower()
        is_terminated = bool(environ.get("wsgi.input_terminated"))
        self._pending_body = bool(coding) or (is_terminated and not environ.get("CONTENT_LENGTH"))
        if coding:
            # RFC 9112, 6.3: a length beside a transfer coding says nothing.
            environ.pop("CONTENT_LENGTH", None)
        super().__init__(environ)
        self._transfer_coding = coding
        self._is_terminated = is_terminated

    @property
    def body(self) -> bytes:
        """The body; `RequestDataTooBig` beyond the limit, `BadRequest` where its chunks are broken."""
        self._read_pending_body()
        return super().body

    def _load_post_and_files(self) -> None:
        self._read_pending_body()
        super()._load_post_and_files()

    def _read_pending_body(self) -> None:
        if not self._pending_body:
            return
        if self._transfer_coding not in ("", "chunked"):
            raise BadRequest(f"The transfer coding {self._transfer_coding[:40]!r} is not taken.")
        stream, max_bytes = self.environ["wsgi.input"], settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        try:
            raw = (
                read_to_end(stream, max_bytes=max_bytes)
                if self._is_terminated
                else read_chunks(stream, max_bytes=max_bytes)
            )
        except OSError as error:
            raise UnreadablePostError(*error.args) from error
        self._pending_body = False
        self.META["CONTENT_LENGTH"] = str(len(raw))
        self._stream = io.BytesIO(raw)


class StreamedRequestHandler(WSGIHandler):
    """Django's WSGI application, with requests of this kind."""

    request_class = StreamedRequest


def read_to_end(stream: ReadableStream, *, max_bytes: int) -> bytes:
    """All of a stream that ends with the body. `RequestDataTooBig` beyond `max_bytes`."""
    parts, length = [], 0
    while part := stream.read(_READ_BYTES):
        length += len(part)
        _require_within_limit(length, max_bytes)
        parts.append(part)
    return b"".join(parts)


def read_chunks(stream: ReadableStream, *, max_bytes: int) -> bytes:
    """A body out of its chunks (RFC 9112, 7.1), from a server that hands on the connection's bytes, as wsgiref does.

    `BadRequest` where the chunks are broken or end early, `RequestDataTooBig` beyond `max_bytes`.
    """
    parts, length = [], 0
    while size := _read_chunk_size(stream):
        length += size
        _require_within_limit(length, max_bytes)
        part = stream.read(size)
        if len(part) != size or stream.readline(3) not in (b"\r\n", b"\n"):
            raise BadRequest("The body ends within a chunk, or a chunk is longer than it says.")
        parts.append(part)
    for _ in range(_MAX_TRAILERS):
        if stream.readline(_MAX_LINE_BYTES) in (b"\r\n", b"\n", b""):
            return b"".join(parts)
    raise BadRequest("The body has too many trailers.")


def _read_chunk_size(stream: ReadableStream) -> int:
    line = stream.readline(_MAX_LINE_BYTES)
    digits = line.partition(b";")[0].strip()
    if not line.endswith(b"\n") or not _CHUNK_SIZE.fullmatch(digits):
        raise BadRequest("The body is called chunked and is not: a chunk begins without its size.")
    return int(digits, 16)


def _require_within_limit(length: int, max_bytes: int) -> None:
    if length > max_bytes:
        raise RequestDataTooBig(f"The body is larger than the {max_bytes:,} bytes that are taken.")
