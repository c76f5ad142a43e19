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


def log_requests(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware, the first of all. An id that the caller sends is kept where it is a plain one."""
    span: Callable[[HttpRequest], AbstractContextManager[Any]] = (
        traces.build_span_opener() if settings.TRACES else lambda request: nullcontext()
    )

    def handle_request(request: HttpRequest) -> HttpResponseBase:
        sent_id = request.headers.get(HEADER, "")
        current_request_id = sent_id if _ID.fullmatch(sent_id) else uuid.uuid4().hex
        token = logs.request_id.set(current_request_id)
        started = time.perf_counter()
        try:
            with span(request) as active_span:
                response = get_response(request)
                seconds = time.perf_counter() - started
                _report_request(request, response.status_code, seconds, span=active_span)
            response[HEADER] = current_request_id
            return response
        finally:
            logs.request_id.reset(token)

    return handle_request


def get_route(request: HttpRequest) -> str:
    """The pattern of a request's address, such as `api/v1/prompts/<int:prompt_id>`; "none" where none fits."""
    match = request.resolver_match
    return (
        match.route[:200] if match is not None and match.route else "none" if match is None else "/"
    )


def get_method(request: HttpRequest) -> str:
    return request.method if request.method in _METHODS else "other"


def _report_request(request: HttpRequest, status: int, seconds: float, *, span: Any) -> None:
    route_pattern, method_label = get_route(request), get_method(request)
    metrics.count_request(method=method_label, route=route_pattern, status=status, seconds=seconds)
    if span is not None:
        traces.annotate_span(span, method=method_label, route=route_pattern, status=status)
    _log.info(
        "%s %s %d",
        method_label,
        route_pattern,
        status,
        extra={
            "method": method_label,
            "route": route_pattern,
            "status": status,
            "ms": round(1e3 * seconds, 1),
        },
    )
