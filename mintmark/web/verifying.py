"""The page that verifies a bundle in the browser: it holds nothing, asks nothing and sends nothing."""

from collections.abc import Mapping

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils.csp import CSP
from django.views.decorators.csp import csp_override

from . import doors, refused

# As everywhere, but that no script of this page may connect anywhere, not even home.
_POLICY: Mapping[str, list[str]] = {
    "default-src": [CSP.NONE],
    "script-src": [CSP.SELF],
    "style-src": [CSP.SELF],
    "img-src": [CSP.SELF, "data:"],
    "font-src": [CSP.SELF],
    "connect-src": [CSP.NONE],
    "form-action": [CSP.SELF],
    "base-uri": [CSP.NONE],
    "frame-ancestors": [CSP.NONE],
}


@login_not_required
@csp_override(_POLICY)
@doors.page
def page(request: HttpRequest) -> HttpResponseBase:
    """`/vaults/verify`: for everybody, signed in or not."""
    return render(request, "web/verify.html", {"codes": refused.ADVICE})
