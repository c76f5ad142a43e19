"""Each request told of itself: an id, a line of log, two metrics and, where it is asked for, a span.

What is told are method, route (the pattern, never the path), status and time: no text, no key, nobody's address.
"""

import logging
import re
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from . import logs, metrics, traces

HEADER = "X-Request-ID"

_METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"}
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_log = logging.getLogger("mintmark.requests")


def told(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware, the first of all. An id that the caller sends is kept where it is a plain one."""
    span: Callable[[HttpRequest], AbstractContextManager[Any]] = (
        traces.opened() if settings.TRACES else lambda request: nullcontext()
    )

    def guarded(request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get(HEADER, "")
        own = given if _ID.fullmatch(given) else uuid.uuid4().hex
        token = logs.request_id.set(own)
        begun = time.perf_counter()
        try:
            with span(request) as opened:
                response = get_response(request)
                seconds = time.perf_counter() - begun
                _tell(request, response.status_code, seconds, span=opened)
            response[HEADER] = own
            return response
        finally:
            logs.request_id.reset(token)

    return guarded


def route(request: HttpRequest) -> str:
    """The pattern of a request's address, such as `api/v1/prompts/<int:prompt_id>`; "none" where none fits."""
    match = request.resolver_match
    return (
        match.route[:200] if match is not None and match.route else "none" if match is None else "/"
    )


def method(request: HttpRequest) -> str:
    return request.method if request.method in _METHODS else "other"


def _tell(request: HttpRequest, status: int, seconds: float, *, span: Any) -> None:
    at, how = route(request), method(request)
    metrics.count(method=how, route=at, status=status, seconds=seconds)
    if span is not None:
        traces.ended(span, method=how, route=at, status=status)
    _log.info(
        "%s %s %d",
        how,
        at,
        status,
        extra={"method": how, "route": at, "status": status, "ms": round(1e3 * seconds, 1)},
    )
