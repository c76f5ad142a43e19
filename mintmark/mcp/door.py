"""MCP over streamable HTTP: who may come in at all, before the protocol is spoken."""

import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import anyio
from django.conf import settings
from django.http.request import split_domain_port, validate_host
from django.utils import timezone
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken

from mintmark.accounts import addresses, quotas
from mintmark.accounts.quotas import Kind
from mintmark.core import errors
from mintmark.core.buckets import TooManyRequests
from mintmark.database import unavailable

from . import changes, credentials, refusals, server, threads
from .credentials import Holder, NotAuthenticated
from .limits import AT_ONCE, Limits
from .server import Context

_log = logging.getLogger(__name__)

PATH = "/mcp"
MOST_BYTES = 1_048_576
MOST_SESSIONS = 2_000
_HOLDER = "mintmark.holder"
_CHANGED = (
    b"event: message\r\n"
    b'data: {"jsonrpc":"2.0","method":"notifications/prompts/list_changed"}\r\n\r\n'
)

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
type Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Internal(errors.Refusal):
    """A mistake of the server's own, or a database that does not answer."""

    code = "internal_error"


class WrongHost(errors.Refusal):
    """A request for a host name to which this server does not answer."""

    code = "wrong_host"


class WrongOrigin(errors.Refusal):
    """A request from a page of another origin."""

    code = "wrong_origin"


_STATUSES: dict[type[errors.Refusal], HTTPStatus] = {
    WrongHost: HTTPStatus.MISDIRECTED_REQUEST,
    WrongOrigin: HTTPStatus.FORBIDDEN,
    NotAuthenticated: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    TooManyRequests: HTTPStatus.TOO_MANY_REQUESTS,
    unavailable.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    Internal: HTTPStatus.INTERNAL_SERVER_ERROR,
}


def application() -> Application:
    """The ASGI application: a guard before the SDK's."""
    limits = Limits(per_minute=settings.MCP_PER_MINUTE, at_once=AT_ONCE)
    inside = server.made(whose=_whose).streamable_http_app(
        streamable_http_path=PATH,
        max_request_body_size=MOST_BYTES,
        max_sessions=MOST_SESSIONS,
        # The guard looks at Host and Origin, by the settings that the pages have.
        host="",
    )

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await inside(scope, receive, send)
            return
        try:
            headers = _headers(scope)
            _require_own(headers)
            holder = await threads.run(
                _holder, headers.get("authorization", ""), _address(scope, headers)
            )
        except errors.Refusal as refusal:
            await _answer(refusal, send)
            return
        except Exception as mistake:
            if unavailable.is_unavailable(mistake):
                _log.warning("Nobody could be let in: the database can't answer: %s", mistake)
                await _answer(unavailable.Unavailable(), send)
                return
            _log.error("Nobody could be let in", exc_info=mistake)
            await _answer(Internal(refusals.MISTAKE), send)
            return
        try:
            with limits.passing(holder.caller.principal.pk):
                await _let_in(inside, holder, scope, receive, send)
        except TooManyRequests as refusal:
            await _answer(refusal, send)

    return guarded


async def _let_in(
    inside: Application, holder: Holder, scope: Scope, receive: Receive, send: Send
) -> None:
    scope[_HOLDER] = holder
    # A session is its opener's alone: the SDK compares who came in.
    scope["user"] = AuthenticatedUser(
        AccessToken(token="", client_id=str(holder.caller.principal.pk), scopes=[])
    )
    if scope["method"] == "GET":
        await _streamed(inside, holder, scope, receive, send)
    else:
        await inside(scope, receive, send)


def _whose(ctx: Context) -> Holder:
    assert ctx.request is not None
    holder: Holder = ctx.request.scope[_HOLDER]
    return holder


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _require_own(headers: dict[str, str]) -> None:
    """Refuse a host that is not ours, and a page of another origin: its script would speak for who opened it."""
    host = headers.get("host", "")
    domain, _ = split_domain_port(host)
    if not domain or not validate_host(domain, settings.ALLOWED_HOSTS):
        raise WrongHost(
            f"This server does not answer to the host {host[:100]!r}; name it in MINTMARK_ALLOWED_HOSTS."
        )
    origin = headers.get("origin")
    if origin is None or origin in settings.CSRF_TRUSTED_ORIGINS:
        return
    try:
        is_own = urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        is_own = False
    if not is_own:
        raise WrongOrigin(
            f"The page of {origin[:100]!r} may not ask here; name its origin in MINTMARK_TRUSTED_ORIGINS."
        )


def _address(scope: Scope, headers: dict[str, str]) -> str:
    peer = scope.get("client")
    return addresses.asking(
        peer=peer[0] if peer else "",
        forwarded=headers.get("x-forwarded-for", ""),
        proxies=settings.PROXIES,
    )


def _holder(authorization: str, address: str) -> Holder:
    """Who holds the key. Keys that are not known take from the quota of the address, as at the API."""
    scheme, _, secret = authorization.strip().partition(" ")
    secret = secret.strip() if scheme.lower() == "bearer" else ""
    counts, quota = quotas.shared(), settings.API_ANONYMOUS_PER_MINUTE
    is_known = counts.is_known(secret)
    if quota and not is_known:
        standing = counts.take(Kind.ADDRESS, address, quota=quota)
        if not standing.is_taken:
            raise TooManyRequests(
                f"Without a key that is known, this address asked {quota:,} times within a minute, which is what it "
                f"may; ask again in {standing.seconds} s.",
                retry_seconds=standing.seconds,
            )
    if not secret:
        raise NotAuthenticated("Send an assistant's key: Authorization: Bearer mm_…")
    try:
        holder = credentials.holder(secret=secret, now=timezone.now())
    except NotAuthenticated:
        counts.forget(secret)
        raise
    if not is_known:
        counts.note(secret)
        if quota:
            counts.give_back(Kind.ADDRESS, address, quota=quota)
    return holder


async def _streamed(
    inside: Application, holder: Holder, scope: Scope, receive: Receive, send: Send
) -> None:
    """A GET stream of a session of the older revision, with an event whenever what is at work changes.

    Such a client can't ask for changes: it is told, as its revision has it. The stream ends with its key.
    """
    since = await threads.run(changes.seen, holder)
    one_at_a_time = anyio.Lock()
    is_stream = anyio.Event()
    is_over = False

    async def passed(message: MutableMapping[str, Any]) -> None:
        nonlocal is_over
        async with one_at_a_time:
            await send(message)
        if message["type"] == "http.response.start" and message["status"] == HTTPStatus.OK:
            is_stream.set()
        elif message["type"] == "http.response.body":
            is_over = not message.get("more_body", False)

    async def tell() -> None:
        async with one_at_a_time:
            if not is_over:
                await send({"type": "http.response.body", "body": _CHANGED, "more_body": True})

    async with anyio.create_task_group() as both:

        async def follow() -> None:
            await is_stream.wait()
            await changes.follow(secret=holder.secret, since=since, tell=tell)
            both.cancel_scope.cancel()

        both.start_soon(follow)
        await inside(scope, receive, passed)
        both.cancel_scope.cancel()
    if is_stream.is_set() and not is_over:
        with suppress(OSError):
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _answer(refusal: errors.Refusal, send: Send) -> None:
    """A refusal at the door, as a problem of RFC 9457."""
    status = next(code for kind, code in _STATUSES.items() if isinstance(refusal, kind))
    body = json.dumps(
        {
            "type": f"/api/v1/errors/{refusal.code}",
            "title": status.phrase,
            "status": status.value,
            "detail": refusal.message,
            "code": refusal.code,
        }
    ).encode()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if status == HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", b'Bearer realm="mintmark"'))
    if isinstance(refusal, TooManyRequests | unavailable.Unavailable):
        headers.append((b"retry-after", str(refusal.retry_seconds).encode()))
    await send({"type": "http.response.start", "status": status.value, "headers": headers})
    await send({"type": "http.response.body", "body": body})
