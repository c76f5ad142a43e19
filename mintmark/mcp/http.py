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

from mintmark.common import errors
from mintmark.ratelimit import client_ip, counters
from mintmark.ratelimit.counters import QuotaSubject
from mintmark.ratelimit.gcra import TooManyRequests
from mintmark.storage import transient_errors

from . import credentials, error_mapping, notifications, server, sync_bridge
from .credentials import AssistantNotAuthenticated, KeyHolder
from .rate_limit import MAX_CONCURRENT, RequestLimiter
from .server import Context

_log = logging.getLogger(__name__)

PATH = "/mcp"
MAX_BODY_BYTES = 1_048_576
MAX_SESSIONS = 2_000
_HOLDER_SCOPE_KEY = "mintmark.holder"
_LIST_CHANGED_EVENT = (
    b"event: message\r\n"
    b'data: {"jsonrpc":"2.0","method":"notifications/prompts/list_changed"}\r\n\r\n'
)

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
type Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class McpInternalError(errors.DomainError):
    """A mistake of the server's own, or a database that does not answer."""

    code = "internal_error"


class WrongHost(errors.DomainError):
    """A request for a host name to which this server does not answer."""

    code = "wrong_host"


class WrongOrigin(errors.DomainError):
    """A request from a page of another origin."""

    code = "wrong_origin"


_STATUSES: dict[type[errors.DomainError], HTTPStatus] = {
    WrongHost: HTTPStatus.MISDIRECTED_REQUEST,
    WrongOrigin: HTTPStatus.FORBIDDEN,
    AssistantNotAuthenticated: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    TooManyRequests: HTTPStatus.TOO_MANY_REQUESTS,
    transient_errors.DatabaseUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    McpInternalError: HTTPStatus.INTERNAL_SERVER_ERROR,
}


def build_application() -> Application:
    """The ASGI application: a guard before the SDK's."""
    limits = RequestLimiter(per_minute=settings.MCP_PER_MINUTE, max_concurrent=MAX_CONCURRENT)
    sdk_application = server.build_server(get_holder=_get_holder).streamable_http_app(
        streamable_http_path=PATH,
        max_request_body_size=MAX_BODY_BYTES,
        max_sessions=MAX_SESSIONS,
        # The guard looks at Host and Origin, by the settings that the pages have.
        host="",
    )

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await sdk_application(scope, receive, send)
            return
        try:
            headers = _decode_headers(scope)
            _require_own_host_and_origin(headers)
            holder = await sync_bridge.run(
                _authenticate, headers.get("authorization", ""), _get_client_ip(scope, headers)
            )
        except errors.DomainError as domain_error:
            await _send_problem(domain_error, send)
            return
        except Exception as error:
            if transient_errors.is_transient(error):
                _log.warning("Nobody could be let in: the database can't answer: %s", error)
                await _send_problem(transient_errors.DatabaseUnavailable(), send)
                return
            _log.error("Nobody could be let in", exc_info=error)
            await _send_problem(McpInternalError(error_mapping.INTERNAL_ERROR_MESSAGE), send)
            return
        try:
            with limits.admit(holder.caller.principal.pk):
                await _forward_request(sdk_application, holder, scope, receive, send)
        except TooManyRequests as domain_error:
            await _send_problem(domain_error, send)

    return guard


async def _forward_request(
    sdk_application: Application, holder: KeyHolder, scope: Scope, receive: Receive, send: Send
) -> None:
    scope[_HOLDER_SCOPE_KEY] = holder
    # A session is its opener's alone: the SDK compares who came in.
    scope["user"] = AuthenticatedUser(
        AccessToken(token="", client_id=str(holder.caller.principal.pk), scopes=[])
    )
    if scope["method"] == "GET":
        await _stream_changes(sdk_application, holder, scope, receive, send)
    else:
        await sdk_application(scope, receive, send)


def _get_holder(ctx: Context) -> KeyHolder:
    assert ctx.request is not None
    holder: KeyHolder = ctx.request.scope[_HOLDER_SCOPE_KEY]
    return holder


def _decode_headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _require_own_host_and_origin(headers: dict[str, str]) -> None:
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


def _get_client_ip(scope: Scope, headers: dict[str, str]) -> str:
    peer = scope.get("client")
    return client_ip.get_client_ip(
        peer=peer[0] if peer else "",
        forwarded=headers.get("x-forwarded-for", ""),
        proxies=settings.TRUSTED_PROXIES,
    )


def _authenticate(authorization: str, address: str) -> KeyHolder:
    """Who holds the key. Keys that are not known take from the quota of the address, as at the API."""
    scheme, _, secret = authorization.strip().partition(" ")
    secret = secret.strip() if scheme.lower() == "bearer" else ""
    quotas, quota = counters.get_shared_quotas(), settings.API_ANONYMOUS_PER_MINUTE
    is_known = quotas.is_recently_seen(secret)
    if quota and not is_known:
        rate_limit = quotas.consume(QuotaSubject.ADDRESS, address, quota=quota)
        if not rate_limit.is_allowed:
            raise TooManyRequests(
                f"Without a key that is known, this address asked {quota:,} times within a minute, which is what it "
                f"may; ask again in {rate_limit.seconds} s.",
                retry_seconds=rate_limit.seconds,
            )
    if not secret:
        raise AssistantNotAuthenticated("Send an assistant's key: Authorization: Bearer mm_…")
    try:
        holder = credentials.authenticate(secret=secret, now=timezone.now())
    except AssistantNotAuthenticated:
        quotas.forget(secret)
        raise
    if not is_known:
        quotas.remember(secret)
        if quota:
            quotas.refund(QuotaSubject.ADDRESS, address, quota=quota)
    return holder


async def _stream_changes(
    sdk_application: Application, holder: KeyHolder, scope: Scope, receive: Receive, send: Send
) -> None:
    """A GET stream of a session of the older revision, with an event whenever what is at work changes.

    Such a client can't ask for changes: it is told, as its revision has it. The stream ends with its key.
    """
    since = await sync_bridge.run(notifications.read_active_injections, holder)
    send_lock = anyio.Lock()
    is_stream = anyio.Event()
    is_over = False

    async def send_tracked(message: MutableMapping[str, Any]) -> None:
        nonlocal is_over
        async with send_lock:
            await send(message)
        if message["type"] == "http.response.start" and message["status"] == HTTPStatus.OK:
            is_stream.set()
        elif message["type"] == "http.response.body":
            is_over = not message.get("more_body", False)

    async def notify() -> None:
        async with send_lock:
            if not is_over:
                await send(
                    {"type": "http.response.body", "body": _LIST_CHANGED_EVENT, "more_body": True}
                )

    async with anyio.create_task_group() as task_group:

        async def poll_until_revoked() -> None:
            await is_stream.wait()
            await notifications.poll_changes(secret=holder.secret, since=since, notify=notify)
            task_group.cancel_scope.cancel()

        task_group.start_soon(poll_until_revoked)
        await sdk_application(scope, receive, send_tracked)
        task_group.cancel_scope.cancel()
    if is_stream.is_set() and not is_over:
        with suppress(OSError):
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_problem(error: errors.DomainError, send: Send) -> None:
    """A refusal at the door, as a problem of RFC 9457."""
    status = next(code for kind, code in _STATUSES.items() if isinstance(error, kind))
    body = json.dumps(
        {
            "type": f"/api/v1/errors/{error.code}",
            "title": status.phrase,
            "status": status.value,
            "detail": error.message,
            "code": error.code,
        }
    ).encode()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if status == HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", b'Bearer realm="mintmark"'))
    if isinstance(error, TooManyRequests | transient_errors.DatabaseUnavailable):
        headers.append((b"retry-after", str(error.retry_seconds).encode()))
    await send({"type": "http.response.start", "status": status.value, "headers": headers})
    await send({"type": "http.response.body", "body": body})
