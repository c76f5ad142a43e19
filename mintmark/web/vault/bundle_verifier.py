"""The page that verifies a bundle in the browser: it holds nothing, asks nothing and sends nothing."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils.csp import CSP
from django.views.decorators.csp import csp_override

from .. import decorators
from . import import_error_help

# As everywhere, but that no script of this page may connect anywhere, not even home.
_POLICY: Mapping[str, Any] = {**settings.SECURE_CSP, "connect-src": [CSP.NONE]}


@login_not_required
@csp_override(_POLICY)
@decorators.get_view
def verify_bundle(request: HttpRequest) -> HttpResponseBase:
    """`/vaults/verify`: for everybody, signed in or not."""
    return render(request, "web/verify.html", {"codes": import_error_help.ADVICE})
