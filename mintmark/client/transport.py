"""What goes over the wire: a request, an answer that counts, and the two ways in which there is none."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

PREFIX = "/api/v1"
MAX_BYTES = 32 << 20
"""The largest answer that is read."""
_PROBLEM_TYPE = "application/problem+json"
# Statuses of a server that can't now, or won't now.
_RETRY_STATUSES = frozenset({408, 425, 429})
# What a connection that stood open and has died meanwhile ends in.
_DEAD_CONNECTION_ERRORS = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)


class MintmarkError(Exception):
    """What this client raises."""


class Unavailable(MintmarkError):
    """There is no answer that counts: the server was not reached, is too slow, overloaded or broken, or something else
    answers in its place. The same request may succeed later."""

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Refused(MintmarkError):
    """The server decided: `code` and `status` are those of docs/errors.md, `rows` name refused rows of a batch."""

    def __init__(
        self, message: str, *, code: str, status: int, rows: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.rows = tuple(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """A read (without a body) or a write. `etag` is of an answer that the caller holds."""

    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    etag: str = ""
    body: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiResponse:
    """What was answered: an object, or nothing new (`is_unchanged`). `size` is that of its bytes."""

    body: Mapping[str, Any] = field(default_factory=dict)
    etag: str = ""
    size: int = 0
    is_unchanged: bool = False


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where the server is and who calls; neither `str` nor `repr` tells the key."""

    url: str
    key: str = field(repr=False)

    @classmethod
    def parse(cls, *, url: str, key: str) -> "ServerAddress":
        """`ValueError` where either can't be what it is taken for."""
        url_parts = urlsplit(url)
        if url_parts.scheme not in ("http", "https") or not url_parts.hostname:
            raise ValueError(
                f"The address {url!r}: give that of the server, such as https://mintmark.example"
            )
        if url_parts.username or url_parts.password or url_parts.query or url_parts.fragment:
            raise ValueError("The address holds more than a server: no user, query or fragment.")
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise ValueError(
                "The key is missing or is no key: give the secret that `mintmark key issue` printed "
                "(the argument `key`, or the variable MINTMARK_KEY)."
            )
        return cls(url.rstrip("/"), key)

    @property
    def prefix(self) -> str:
        """The part of the key that may be seen."""
        return "_".join(self.key.split("_")[:2])[:20]


class Transport:
    """Sends requests from any thread; each has `timeout_seconds` for all of its answer."""

    def __init__(self, *, address: ServerAddress, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._client = httpx.Client(
            **build_client_settings(address, timeout_seconds=timeout_seconds)
        )

    def send(self, request: ApiRequest) -> ApiResponse:
        """The answer; `Refused` or `Unavailable` where there is none.

        It is tried again at once if a connection that stood open turns out to be dead: a read changes nothing, and
        events have keys.
        """
        try:
            try:
                return self._send_once(request)
            except _DEAD_CONNECTION_ERRORS:
                return self._send_once(request)
        except httpx.HTTPError as failed:
            raise _build_unreached_error(failed) from None

    def close(self) -> None:
        self._client.close()

    def _send_once(self, request: ApiRequest) -> ApiResponse:
        deadline = time.monotonic() + self._timeout_seconds
        chunks: list[bytes] = []
        size = 0
        with self._client.stream(**build_request_arguments(request)) as response:
            for chunk in response.iter_bytes():
                chunks.append(chunk)
                size += len(chunk)
                check_limits(size=size, is_late=time.monotonic() > deadline)
        return parse_response(response, b"".join(chunks))


class AsyncTransport:
    """Sends requests from one event loop, as `Wire` does from threads."""

    def __init__(self, *, address: ServerAddress, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._client = httpx.AsyncClient(
            **build_client_settings(address, timeout_seconds=timeout_seconds)
        )

    async def send(self, request: ApiRequest) -> ApiResponse:
        """See `Wire.send`."""
        try:
            try:
                return await self._send_once(request)
            except _DEAD_CONNECTION_ERRORS:
                return await self._send_once(request)
        except httpx.HTTPError as failed:
            raise _build_unreached_error(failed) from None

    async def close(self) -> None:
        await self._client.aclose()

    async def _send_once(self, request: ApiRequest) -> ApiResponse:
        chunks: list[bytes] = []
        size = 0
        try:
            async with (
                asyncio.timeout(self._timeout_seconds),
                self._client.stream(**build_request_arguments(request)) as response,
            ):
                async for chunk in response.aiter_bytes():
                    chunks.append(chunk)
                    size += len(chunk)
                    check_limits(size=size, is_late=False)
        except TimeoutError:
            raise Unavailable("There was no whole answer in time.") from None
        return parse_response(response, b"".join(chunks))


def build_client_settings(address: ServerAddress, *, timeout_seconds: float) -> dict[str, Any]:
    """How httpx is set up. A redirect could lead the key to anybody, so none is followed."""
    return {
        "base_url": address.url + PREFIX,
        "headers": {
            "Authorization": f"Bearer {address.key}",
            "Accept": "application/json",
            "User-Agent": "mintmark-client",
        },
        "timeout": timeout_seconds,
        "follow_redirects": False,
    }


def build_request_arguments(request: ApiRequest) -> dict[str, Any]:
    """What httpx is told of a request."""
    headers = {"If-None-Match": request.etag} if request.etag else {}
    if request.body is None:
        return {
            "method": "GET",
            "url": request.path,
            "params": dict(request.query),
            "headers": headers,
        }
    headers["Content-Type"] = "application/json"
    return {"method": "POST", "url": request.path, "content": request.body, "headers": headers}


def check_limits(*, size: int, is_late: bool) -> None:
    """Refuse to read on."""
    if size > MAX_BYTES:
        raise Unavailable(f"The answer has more than {MAX_BYTES:,} bytes.")
    if is_late:
        raise Unavailable("There was no whole answer in time.")


def parse_response(response: httpx.Response, raw: bytes) -> ApiResponse:
    """What an answer says; whatever does not look like one of Mintmark's is none."""
    status = response.status_code
    etag = response.headers.get("ETag", "")
    if status == 304:
        return ApiResponse(etag=etag, is_unchanged=True)
    body = _parse_object(raw)
    if status in (200, 201) and body is not None:
        return ApiResponse(body=body, etag=etag, size=len(raw))
    if status >= 500 or status in _RETRY_STATUSES:
        raise Unavailable(
            f"The server answered {status}.",
            retry_after_seconds=_parse_retry_after(response.headers.get("Retry-After", "")),
        )
    kind = response.headers.get("Content-Type", "").partition(";")[0]
    if 400 <= status < 500 and kind == _PROBLEM_TYPE and body is not None:
        rows = body.get("rows", ())
        raise Refused(
            str(body.get("detail", "")),
            code=str(body.get("code", "")),
            status=status,
            rows=[row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else (),
        )
    raise Unavailable(f"What answered {status} there is no Mintmark.")


def _parse_object(raw: bytes) -> dict[str, Any] | None:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _parse_retry_after(text: str) -> float | None:
    """What `Retry-After` asks for: seconds, or a date."""
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        retry_at = parsedate_to_datetime(text)
    except ValueError:
        return None
    zoned = retry_at if retry_at.tzinfo is not None else retry_at.replace(tzinfo=UTC)
    return max(0.0, (zoned - datetime.now(UTC)).total_seconds())


def _build_unreached_error(failed: httpx.HTTPError) -> Unavailable:
    # What httpx raises carries the request, and so the key: its name alone goes on.
    return Unavailable(f"The server was not reached, or broke off ({type(failed).__name__}).")
