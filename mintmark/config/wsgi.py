"""The WSGI entry point that `mintmark serve` hands to granian."""

import os
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mintmark.config.settings")
django.setup(set_prefix=False)

from mintmark.config import request_streams  # noqa: E402  # as everything that is Django's, after the settings
from mintmark.web import content_types  # noqa: E402

_django_application = request_streams.StreamedRequestHandler()


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The pages and the API, with a `Content-Type` header that Django can parse, and
    bodies of no stated length."""
    if "CONTENT_TYPE" in environ:
        environ["CONTENT_TYPE"] = content_types.sanitise_content_type(environ["CONTENT_TYPE"])
    return _django_application(environ, start_response)
