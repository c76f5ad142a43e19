"""Bodies of requests are bounded before anything reads them: a form's files would fill the disk first."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

_API = "/api/"


def limit_body_size(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: a body beyond `MINTMARK_MAX_REQUEST_BYTES`, or of no stated length, is refused unread (413, 411).

    The API says the same in its own words, as a problem.
    """

    def check_size(request: HttpRequest) -> HttpResponseBase:
        if request.path.startswith(_API):
            return get_response(request)
        if request.headers.get("Transfer-Encoding"):
            return _render_refusal(
                request, 411, "The request has no Content-Length header, so nothing was read."
            )
        sent = request.headers.get("Content-Length") or ""
        max_bytes = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        if sent.isascii() and sent.isdigit() and int(sent) > max_bytes:
            return _render_refusal(
                request,
                413,
                f"The request has {int(sent):,} bytes. At most {max_bytes:,} are accepted, so it was not read.",
            )
        return get_response(request)

    return check_size


def _render_refusal(request: HttpRequest, status: int, message: str) -> HttpResponse:
    context = {
        "status": status,
        "heading": "The request is too large",
        "message": message,
        "advice": "Send less at once, or ask an administrator to raise MINTMARK_MAX_REQUEST_BYTES.",
    }
    return render(request, "web/refusal.html", context, status=status)
