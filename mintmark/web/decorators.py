"""What every page goes through: a refusal becomes a page that says what was wrong and what to do."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mintmark.accounts import callers
from mintmark.accounts.callers import Caller
from mintmark.common import errors

from . import query_params

_ERROR_PAGES: dict[type[errors.DomainError], tuple[int, str, str]] = {
    query_params.BadParameter: (
        400,
        "The address is not valid",
        "Change or remove that part of the address. The rest of it is valid.",
    ),
    errors.NotFound: (
        404,
        "Page not found",
        "Prompts and assistants are never deleted, so the number in the address is probably mistyped.",
    ),
    errors.Forbidden: (
        403,
        "You have no permission for this page",
        "Nothing was changed. Ask an administrator for the role that it needs.",
    ),
}

_DEFAULT_ERROR_PAGE = (
    422,
    "The request was refused",
    "Nothing was changed and nothing was charged. Go back, correct what is named above, and try again.",
)


def get_view[**P](
    view: Callable[Concatenate[HttpRequest, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """A page that is only read (GET, HEAD); what it refuses is said in the same dress as the page itself."""

    @require_safe
    @gzip_page
    @wraps(view)
    def wrapper(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except tuple(_ERROR_PAGES) as error:
            return _render_error(request, error)

    return wrapper


def form_view[**P](
    view: Callable[Concatenate[HttpRequest, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """A page with a form on it (GET, HEAD, POST); what it refuses to do is said on a page, and nothing was changed.

    A view that can show the form again with what was wrong catches the refusal itself.
    """

    @require_http_methods(["GET", "HEAD", "POST"])
    @gzip_page
    @wraps(view)
    def wrapper(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except errors.DomainError as error:
            return _render_error(request, error)

    return wrapper


def post_view[**P](
    view: Callable[Concatenate[HttpRequest, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """Something that a button does (POST alone); what it refuses is said on a page, and nothing was changed."""

    @require_POST
    @wraps(view)
    def wrapper(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except errors.DomainError as error:
            return _render_error(request, error)

    return wrapper


def get_caller(request: HttpRequest) -> Caller:
    """The person at the browser, with his roles. Pages are behind the sign-in, so there is one."""
    assert request.user.is_authenticated
    return callers.from_user(user=request.user)


def _render_error(request: HttpRequest, error: errors.DomainError) -> HttpResponse:
    status, heading, advice = _ERROR_PAGES.get(type(error), _DEFAULT_ERROR_PAGE)
    context = {
        "status": status,
        "heading": heading,
        "message": error.message,
        "advice": advice,
    }
    return render(request, "web/refusal.html", context, status=status)
