"""The door itself: the one API object, what every request passes through, and how each error is answered."""

import functools
import inspect
import json
import logging
import sys
from collections.abc import Callable, Collection
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import DisallowedHost, RequestDataTooBig, SuspiciousOperation
from django.core.signals import got_request_exception
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase, HttpResponseNotAllowed
from django.urls import URLPattern, path, re_path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema
from pydantic import TypeAdapter

from mintmark.core import errors
from mintmark.database import unavailable

from . import (
    admission,
    answers,
    assistants,
    bodies,
    bundle_imports,
    codices,
    comparisons,
    contracts,
    declared,
    entitlements,
    evidence,
    exports,
    foresight,
    forks,
    house,
    injections,
    keys,
    labels,
    listings,
    mandates,
    memories,
    otlp,
    problems,
    prompt_sets,
    prompts,
    purchase_requests,
    purchases,
    ranking,
    ratings,
    reference,
    refusals,
    reputation,
    rituals,
    routes,
    runners,
    runs,
    sales,
    trust,
    vault_debts,
    vault_keys,
    vaults,
    wallets,
    webhooks,
    withdrawals,
)

_log = logging.getLogger(__name__)

PREFIX = "/api/v1/"

DESCRIPTION = """\
Evidence in, reputation and trust out; prompts bought, put to work, forked and rated for tokens; signed bundles of them
out and in.

Callers hold a bearer key (`Authorization: Bearer mm_…`) or a session of the pages with its CSRF token. Errors are
RFC 9457 problem details with a stable `code`. Lists are paged by `cursor`. Reads carry an `ETag`. `RateLimit` says how
many requests are left within the minute; more are answered 429 with `Retry-After`. Every score says `as_of` (the event
that it takes into account last) and `policy` (the version of its formula). Amounts of tokens are strings, exact to six
decimals.
"""


class Api(NinjaAPI):
    """django-ninja's router and schema, with the shapes of bodies and problems added."""

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> OpenAPISchema:
        return _schema(self)


@functools.cache
def _schema(api: NinjaAPI) -> OpenAPISchema:
    schema = OpenAPISchema(api, PREFIX)
    problem = TypeAdapter(problems.Problem).json_schema(ref_template=declared.REF)
    shapes = schema["components"]["schemas"]
    shapes.update(problem.pop("$defs"))
    shapes.update(declared.BODY_SHAPES)
    shapes["Problem"] = problem
    schema["components"]["schemas"] = dict(sorted(shapes.items()))
    schema["tags"] = [
        {
            "name": group.routes.tag,
            "description": inspect.cleandoc(group.__doc__ or "").partition("\n\n")[0],
        }
        for group in GROUPS
    ]
    return schema


api = Api(
    title="Mintmark",
    version=house.VERSION,
    description=DESCRIPTION,
    urls_namespace="api",
    docs_url=None,
)
GROUPS = (
    evidence, exports, prompts, reputation, assistants, trust, rituals, codices, contracts, memories, runners, runs,
    comparisons, labels, listings, sales, prompt_sets, purchases, purchase_requests, wallets, injections, mandates,
    forks, foresight, ranking, ratings, entitlements, vaults, bundle_imports,
    vault_keys, vault_debts, withdrawals, otlp, webhooks, keys, house,
)  # fmt: skip
for module in GROUPS:
    api.add_router("", module.routes.router)


def _on_refusal(request: HttpRequest, refusal: errors.Refusal) -> HttpResponse:
    return problems.answer(refusal)


def _on_invalid(request: HttpRequest, invalid: ValidationError) -> HttpResponse:
    wrong = []
    for found in invalid.errors:
        source, *location = found["loc"]
        given = request.GET if source == "query" else request.headers if source == "header" else {}
        name = ".".join(map(str, location))
        if source == "path" and request.resolver_match is not None:
            given = request.resolver_match.kwargs
        wrong.append(
            refusals.Place(
                place=f"{source}.{name}",
                value=given.get(name),
                message=bodies.sentence(found["msg"]),
            )
        )
    return problems.answer(bodies.of_places(wrong))


def _on_unauthenticated(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    return problems.answer(
        refusals.NotAuthenticated("Send a bearer key in Authorization, or sign in to the pages.")
    )


def _on_404(request: HttpRequest, missing: Http404) -> HttpResponse:
    return problems.answer(errors.NotFound(f"There is nothing at {request.path[:200]}."))


def _on_too_big(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return problems.answer(
        refusals.BodyTooLarge("The body is larger than this server takes; send it in parts.")
    )


def unreadable(request: HttpRequest, error: Exception) -> HttpResponse:
    """The answer to a request that Django refuses to read, its host name included."""
    if isinstance(error, DisallowedHost):
        host = request.META.get("HTTP_HOST", "")
        return problems.answer(
            refusals.InvalidRequest(
                f"This server does not answer to the host {host[:100]!r}; name it in MINTMARK_ALLOWED_HOSTS."
            )
        )
    return problems.answer(refusals.InvalidRequest("The request can't be read as HTTP and JSON."))


def _on_mistake(request: HttpRequest, error: Exception) -> HttpResponse:
    if unavailable.is_unavailable(error):
        _log.warning("%s %s: the database can't answer: %s", request.method, request.path, error)
        return problems.answer(unavailable.Unavailable())
    _log.error("%s %s failed", request.method, request.path, exc_info=error)
    got_request_exception.send(sender=Api, request=request)
    return problems.answer(refusals.Internal(_MISTAKE))


def failed(request: HttpRequest) -> HttpResponse:
    """The answer to a request that failed before an endpoint was reached; Django has written why to the log."""
    error = sys.exception()
    if error is not None and unavailable.is_unavailable(error):
        return problems.answer(unavailable.Unavailable())
    return problems.answer(refusals.Internal(_MISTAKE))


_MISTAKE = "The server made a mistake; its log says which. Try again later."
_HANDLERS: dict[type[Exception], Callable[[HttpRequest, Any], HttpResponse]] = {
    errors.Refusal: _on_refusal,
    ValidationError: _on_invalid,
    AuthenticationError: _on_unauthenticated,
    HttpError: unreadable,
    Http404: _on_404,
    RequestDataTooBig: _on_too_big,
    SuspiciousOperation: unreadable,
    Exception: _on_mistake,
}
for kind, handler in _HANDLERS.items():
    api.add_exception_handler(kind, handler)


def _pass(
    view: Callable[..., HttpResponseBase], *, takes: Collection[str]
) -> Callable[..., HttpResponseBase]:
    """What every request goes through before and after its endpoint, which takes bodies of these types."""

    @csrf_exempt  # the session's credentials check the token themselves: keys need none
    @login_not_required  # the endpoint's credentials answer 401; a redirect to a form would mislead a program
    @functools.wraps(view)
    def passed(request: HttpRequest, **values: Any) -> HttpResponseBase:
        try:
            refusal = _malformed(request, takes=takes)
        except SuspiciousOperation as error:  # more parameters than Django reads
            return unreadable(request, error)
        if refusal is not None:
            return problems.answer(refusal)
        asked = str(request.method)
        if asked == "HEAD":
            request.method = "GET"
        response = view(request, **values)
        if isinstance(response, HttpResponseNotAllowed):
            allowed = response["Allow"]
            response = problems.answer(
                refusals.MethodNotAllowed(
                    f"{request.path[:200]} takes {allowed}, not {asked[:20]}."
                )
            )
            response["Allow"] = allowed
        return _without_body(response) if asked == "HEAD" else response

    return passed


def _without_body(response: HttpResponseBase) -> HttpResponseBase:
    if isinstance(response, StreamingHttpResponse):
        response.streaming_content = []
    elif isinstance(response, HttpResponse):
        response["Content-Length"] = str(len(response.content))
        response.content = b""
    return response


def _malformed(request: HttpRequest, *, takes: Collection[str]) -> errors.Refusal | None:
    if "\0" in request.path or any("\0" in text for pair in request.GET.items() for text in pair):
        return refusals.InvalidRequest("The address holds U+0000, which no name here contains.")
    has_body = request.META.get("CONTENT_LENGTH") not in (None, "", "0")
    if has_body and request.content_type not in takes:
        return refusals.UnsupportedMediaType(
            f"The body is {str(request.content_type)[:80] or 'of no stated type'}; send {' or '.join(takes)}."
        )
    return None


@csrf_exempt
@login_not_required
def _nowhere(request: HttpRequest) -> HttpResponse:
    return problems.answer(errors.NotFound(f"There is nothing at {request.path[:200]}."))


@require_safe
def _described(request: HttpRequest) -> HttpResponse:
    """The schema of this door."""
    return answers.read_answer(request, _written())


@functools.cache
def _written() -> bytes:
    return json.dumps(api.get_openapi_schema(), ensure_ascii=False).encode()


def _hung() -> list[URLPattern]:
    patterns = [
        pattern
        for pattern in api.urls[0]
        if isinstance(pattern, URLPattern) and pattern.name not in ("api-root", "openapi-json")
    ]
    taken = {
        endpoint.path: declared.FILE_TYPES
        if endpoint.takes_file
        else (answers.MEDIA_TYPE, *endpoint.also)
        for endpoint in routes.ENDPOINTS
        if endpoint.method != "GET"
    }
    for pattern in patterns:
        takes = taken.get(f"/{pattern.pattern}", (answers.MEDIA_TYPE,))
        pattern.callback = admission.counted(_pass(pattern.callback, takes=takes))
    described = admission.counted(_pass(_described, takes=(answers.MEDIA_TYPE,)))
    return [
        *patterns,
        path("openapi.json", described, name="openapi-json"),
        path("docs", reference.page, name="docs"),
        re_path(r"", admission.counted(_nowhere)),
    ]


urls = (_hung(), "api", "api")
