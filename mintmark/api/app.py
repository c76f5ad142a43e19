"""The door itself: the one API object, what every request passes through, and how each error is answered."""

import functools
import inspect
import json
import logging
import sys
from collections.abc import Callable, Collection
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import (
    BadRequest,
    DisallowedHost,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.core.signals import got_request_exception
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    StreamingHttpResponse,
    UnreadablePostError,
)
from django.http.response import HttpResponseBase, HttpResponseNotAllowed
from django.urls import URLPattern, path, re_path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema
from pydantic import TypeAdapter

from mintmark.common import errors
from mintmark.storage import transient_errors

from . import (
    api_errors,
    assistants,
    bundle_imports,
    codex_bindings,
    codices,
    comparisons,
    edit_prediction,
    endpoints,
    entitlements,
    evidence,
    exports,
    foreign_royalties,
    forks,
    injections,
    keys,
    labels,
    listings,
    mandates,
    memories,
    near_copies,
    openapi_operation,
    otlp,
    problems,
    prompt_sets,
    prompts,
    purchase_requests,
    purchases,
    ranking,
    rate_limit,
    ratings,
    reporters,
    reputation,
    request_body,
    responses,
    revocation_lists,
    rituals,
    runners,
    runs,
    sales,
    swagger,
    system,
    trust,
    vault_keys,
    vaults,
    wallets,
    webhooks,
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


class MintmarkApi(NinjaAPI):
    """django-ninja's router and schema, with the shapes of bodies and problems added."""

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> OpenAPISchema:
        return _build_schema(self)


@functools.cache
def _build_schema(api: NinjaAPI) -> OpenAPISchema:
    schema = OpenAPISchema(api, PREFIX)
    problem = TypeAdapter(problems.Problem).json_schema(ref_template=openapi_operation.SCHEMA_REF)
    component_schemas = schema["components"]["schemas"]
    component_schemas.update(problem.pop("$defs"))
    component_schemas.update(openapi_operation.BODY_SCHEMAS)
    component_schemas["Problem"] = problem
    schema["components"]["schemas"] = dict(sorted(component_schemas.items()))
    schema["tags"] = [
        {
            "name": group.routes.tag,
            "description": inspect.cleandoc(group.__doc__ or "").partition("\n\n")[0],
        }
        for group in GROUPS
    ]
    return schema


api = MintmarkApi(
    title="Mintmark",
    version=system.VERSION,
    description=DESCRIPTION,
    urls_namespace="api",
    docs_url=None,
)
GROUPS = (
    evidence, reporters, exports, prompts, near_copies, reputation, assistants, trust, rituals, codices,
    codex_bindings, memories, runners, runs, comparisons, labels, listings, sales, prompt_sets, purchases,
    purchase_requests, wallets, injections, mandates, forks, edit_prediction, ranking, ratings, entitlements, vaults,
    bundle_imports, vault_keys, foreign_royalties, revocation_lists, otlp, webhooks, keys, system,
)  # fmt: skip
for module in GROUPS:
    api.add_router("", module.routes.router)


def _handle_domain_error(request: HttpRequest, error: errors.DomainError) -> HttpResponse:
    return problems.build_problem_response(error)


def _handle_validation_error(request: HttpRequest, invalid: ValidationError) -> HttpResponse:
    invalid_inputs = []
    for problem in invalid.errors:
        source, *location = problem["loc"]
        values = request.GET if source == "query" else request.headers if source == "header" else {}
        name = ".".join(map(str, location))
        if source == "path" and request.resolver_match is not None:
            values = request.resolver_match.kwargs
        invalid_inputs.append(
            api_errors.InvalidInput(
                location=f"{source}.{name}",
                value=values.get(name),
                message=request_body.to_sentence(problem["msg"]),
            )
        )
    return problems.build_problem_response(request_body.build_invalid_request(invalid_inputs))


def _handle_unauthenticated(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    return problems.build_problem_response(
        api_errors.NotAuthenticated("Send a bearer key in Authorization, or sign in to the pages.")
    )


def _handle_404(request: HttpRequest, missing: Http404) -> HttpResponse:
    return problems.build_problem_response(
        errors.NotFound(f"There is nothing at {request.path[:200]}.")
    )


def _handle_body_too_large(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return problems.build_problem_response(
        api_errors.BodyTooLarge("The body is larger than this server takes; send it in parts.")
    )


def _handle_broken_body(
    request: HttpRequest, error: BadRequest | UnreadablePostError
) -> HttpResponse:
    message = str(error) if isinstance(error, BadRequest) else "The body ended before it was whole."
    return problems.build_problem_response(api_errors.InvalidRequest(message))


def handle_400(request: HttpRequest, error: Exception) -> HttpResponse:
    """The answer to a request that Django refuses to read, its host name included."""
    if isinstance(error, DisallowedHost):
        host = request.META.get("HTTP_HOST", "")
        return problems.build_problem_response(
            api_errors.InvalidRequest(
                f"This server does not answer to the host {host[:100]!r}; name it in MINTMARK_ALLOWED_HOSTS."
            )
        )
    return problems.build_problem_response(
        api_errors.InvalidRequest("The request can't be read as HTTP and JSON.")
    )


def _handle_unexpected_error(request: HttpRequest, error: Exception) -> HttpResponse:
    if transient_errors.is_transient(error):
        _log.warning("%s %s: the database can't answer: %s", request.method, request.path, error)
        return problems.build_problem_response(transient_errors.DatabaseUnavailable())
    _log.error("%s %s failed", request.method, request.path, exc_info=error)
    got_request_exception.send(sender=MintmarkApi, request=request)
    return problems.build_problem_response(api_errors.InternalError(_INTERNAL_ERROR_MESSAGE))


def handle_500(request: HttpRequest) -> HttpResponse:
    """The answer to a request that failed before an endpoint was reached; Django has written why to the log."""
    error = sys.exception()
    if error is not None and transient_errors.is_transient(error):
        return problems.build_problem_response(transient_errors.DatabaseUnavailable())
    return problems.build_problem_response(api_errors.InternalError(_INTERNAL_ERROR_MESSAGE))


_INTERNAL_ERROR_MESSAGE = "The server made a mistake; its log says which. Try again later."
_HANDLERS: dict[type[Exception], Callable[[HttpRequest, Any], HttpResponse]] = {
    errors.DomainError: _handle_domain_error,
    ValidationError: _handle_validation_error,
    AuthenticationError: _handle_unauthenticated,
    HttpError: handle_400,
    Http404: _handle_404,
    RequestDataTooBig: _handle_body_too_large,
    SuspiciousOperation: handle_400,
    BadRequest: _handle_broken_body,
    UnreadablePostError: _handle_broken_body,
    Exception: _handle_unexpected_error,
}
for kind, handler in _HANDLERS.items():
    api.add_exception_handler(kind, handler)


def _wrap_view(
    view: Callable[..., HttpResponseBase], *, media_types: Collection[str]
) -> Callable[..., HttpResponseBase]:
    """What every request goes through before and after its endpoint, which takes bodies of these types."""

    @csrf_exempt  # the session's credentials check the token themselves: keys need none
    @login_not_required  # the endpoint's credentials answer 401; a redirect to a form would mislead a program
    @functools.wraps(view)
    def wrapped_view(request: HttpRequest, **values: Any) -> HttpResponseBase:
        try:
            malformation = _find_malformation(request, media_types=media_types)
        except SuspiciousOperation as error:  # more parameters than Django reads
            return handle_400(request, error)
        if malformation is not None:
            return problems.build_problem_response(malformation)
        method = str(request.method)
        if method == "HEAD":
            request.method = "GET"
        response = view(request, **values)
        if isinstance(response, HttpResponseNotAllowed):
            allowed = response["Allow"]
            response = problems.build_problem_response(
                api_errors.MethodNotAllowed(
                    f"{request.path[:200]} takes {allowed}, not {method[:20]}."
                )
            )
            response["Allow"] = allowed
        return _strip_body(response) if method == "HEAD" else response

    return wrapped_view


def _strip_body(response: HttpResponseBase) -> HttpResponseBase:
    if isinstance(response, StreamingHttpResponse):
        response.streaming_content = []
    elif isinstance(response, HttpResponse):
        response["Content-Length"] = str(len(response.content))
        response.content = b""
    return response


def _has_body(request: HttpRequest) -> bool:
    """Whether a body is announced: by its length, as chunks, or, where HTTP/2 states neither, by its type.

    Only a server whose streams end with the body gives such a type; wsgiref gives one to every request.
    """
    length = request.META.get("CONTENT_LENGTH")
    if length:
        return bool(length != "0")
    if request.META.get("HTTP_TRANSFER_ENCODING"):
        return True
    return bool(request.META.get("wsgi.input_terminated") and request.META.get("CONTENT_TYPE"))


def _find_malformation(
    request: HttpRequest, *, media_types: Collection[str]
) -> errors.DomainError | None:
    if "\0" in request.path or any("\0" in text for pair in request.GET.items() for text in pair):
        return api_errors.InvalidRequest("The address holds U+0000, which no name here contains.")
    if _has_body(request) and request.content_type not in media_types:
        return api_errors.UnsupportedMediaType(
            f"The body is {str(request.content_type)[:80] or 'of no stated type'}; send {' or '.join(media_types)}."
        )
    return None


@csrf_exempt
@login_not_required
def _answer_not_found(request: HttpRequest) -> HttpResponse:
    return problems.build_problem_response(
        errors.NotFound(f"There is nothing at {request.path[:200]}.")
    )


@require_safe
def _serve_schema(request: HttpRequest) -> HttpResponse:
    """The schema of this door."""
    return responses.build_read_response(request, _dump_schema())


@functools.cache
def _dump_schema() -> bytes:
    return json.dumps(api.get_openapi_schema(), ensure_ascii=False).encode()


def _build_urls() -> list[URLPattern]:
    patterns = [
        pattern
        for pattern in api.urls[0]
        if isinstance(pattern, URLPattern) and pattern.name not in ("api-root", "openapi-json")
    ]
    media_types_by_path = {
        endpoint.path: openapi_operation.FILE_TYPES
        if endpoint.takes_file
        else (responses.MEDIA_TYPE, *endpoint.extra_media_types)
        for endpoint in endpoints.ENDPOINTS
        if endpoint.method != "GET"
    }
    for pattern in patterns:
        media_types = media_types_by_path.get(f"/{pattern.pattern}", (responses.MEDIA_TYPE,))
        pattern.callback = rate_limit.rate_limit(
            _wrap_view(pattern.callback, media_types=media_types)
        )
    schema_view = rate_limit.rate_limit(
        _wrap_view(_serve_schema, media_types=(responses.MEDIA_TYPE,))
    )
    return [
        *patterns,
        path("openapi.json", schema_view, name="openapi-json"),
        path("docs", swagger.show_reference, name="docs"),
        re_path(r"", rate_limit.rate_limit(_answer_not_found)),
    ]


urls = (_build_urls(), "api", "api")
