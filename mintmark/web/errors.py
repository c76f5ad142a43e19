"""The page in place of one that could not be made."""

import sys

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template import loader
from django.views import defaults

from mintmark.storage import transient_errors


def render_server_error(request: HttpRequest) -> HttpResponseBase:
    """Django's `handler500`: 503 where the database can't answer for now, and 500 for all else.

    It asks nothing of the database: no session, no user.
    """
    error = sys.exception()
    if error is None or not transient_errors.is_transient(error):
        return defaults.server_error(request)
    page = HttpResponse(loader.render_to_string("503.html"), status=503)
    page["Retry-After"] = str(transient_errors.DatabaseUnavailable.retry_seconds)
    return page
