"""What a request says is read as UTF-8: a charset that it names may be a codec that decodes no text, and fails."""

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponseBase

_UTF_8 = ("utf-8", "utf8")
_FORM = "application/x-www-form-urlencoded"


def utf8(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: parameters are UTF-8 whatever `Content-Type` says. A form that says otherwise is refused (400)."""

    def guarded(request: HttpRequest) -> HttpResponseBase:
        named = request.encoding
        request.encoding = settings.DEFAULT_CHARSET
        if named and named.lower() not in _UTF_8 and request.content_type == _FORM:
            raise BadRequest(f"A form is UTF-8, not {named[:40]}.")
        return get_response(request)

    return guarded
