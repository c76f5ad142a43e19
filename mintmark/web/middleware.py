"""Bodies of requests are bounded before anything reads them: a form's files would fill the disk first."""

from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.core.exceptions import BadRequest, RequestDataTooBig
from django.http import HttpRequest, HttpResponse, HttpResponseBase, UnreadablePostError
from django.shortcuts import render

_API = "/api/"


def limit_body_size(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: a body beyond `MINTMARK_MAX_REQUEST_BYTES` is refused (413), unread where its length is stated.

    The API says the same in its own words, as a problem.
    """

    def check_size(request: HttpRequest) -> HttpResponseBase:
        if request.path.startswith(_API):
            return get_response(request)
        max_bytes = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        if request.headers.get("Transfer-Encoding"):
            try:
                _ = request.body  # in chunks: how much it is shows as it is read
            except RequestDataTooBig:
                return _render_refusal(
                    request,
                    413,
                    f"At most {max_bytes:,} bytes are accepted; the request has more, and the rest was not read.",
                )
            except (BadRequest, UnreadablePostError):
                return _render_refusal(
                    request,
                    400,
                    "The connection broke off before the whole request arrived, so nothing was done.",
                )
        sent = request.headers.get("Content-Length") or ""
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
        "heading": "The request is too large"
        if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        else "The request broke off",
        "message": message,
        "advice": "Send less at once, or ask an administrator to raise MINTMARK_MAX_REQUEST_BYTES."
        if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        else "Send it again.",
    }
    return render(request, "web/refusal.html", context, status=status)
