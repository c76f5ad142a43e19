"""Light or dark: what a reader chose is kept in a cookie, so that no page flashes in the other one first."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

COOKIE = "theme"
_YEAR_SECONDS = 365 * 24 * 3600


@require_POST
def switch_theme(request: HttpRequest) -> HttpResponse:
    """`/theme`: the other one from now on; back to the page where the button was pressed."""
    back = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(
        back, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        back = "start"
    response = redirect(back)
    theme = "light" if request.COOKIES.get(COOKIE) == "dark" else "dark"
    # A script switches without a reload, so it must be able to read and write the cookie.
    response.set_cookie(
        COOKIE, theme, max_age=_YEAR_SECONDS, samesite="Lax", secure=request.is_secure()
    )
    return response
