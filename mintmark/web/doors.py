"""What every page goes through: a refusal becomes a page that says what was wrong and what to do."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from mintmark.accounts import callers
from mintmark.accounts.callers import Caller
from mintmark.core import errors

from . import parameters

_STATUS: dict[type[errors.Refusal], tuple[int, str, str]] = {
    parameters.BadParameter: (
        400,
        "This address was not understood",
        "Change that part of the address, or take it out; nothing else is wrong with it.",
    ),
    errors.NotFound: (
        404,
        "There is nothing here",
        "Prompts and assistants are never deleted, so the number in the address is likely mistyped.",
    ),
    errors.Forbidden: (
        403,
        "This is not yours to see",
        "Nothing was changed. An administrator can give you the role that it takes.",
    ),
}


def page[**P](
    view: Callable[Concatenate[HttpRequest, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """A page that is only read (GET, HEAD); what it refuses is said in the same dress as the page itself."""

    @require_safe
    @gzip_page
    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except tuple(_STATUS) as refusal:
            return _refused(request, refusal)

    return guarded


def caller(request: HttpRequest) -> Caller:
    """The person at the browser, with his roles. Pages are behind the sign-in, so there is one."""
    assert request.user.is_authenticated
    return callers.from_user(user=request.user)


def _refused(request: HttpRequest, refusal: errors.Refusal) -> HttpResponse:
    status, heading, advice = _STATUS[type(refusal)]
    context = {
        "status": status,
        "heading": heading,
        "message": refusal.message,
        "advice": advice,
    }
    return render(request, "web/refusal.html", context, status=status)
