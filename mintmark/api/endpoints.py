"""How an endpoint is declared: its scope, the shapes of what goes in and out, and the statuses it may answer.

An endpoint that is not declared here does not exist, and none can be declared without saying its scope.
"""

import functools
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja import Router
from pydantic import TypeAdapter

from mintmark.accounts.keys import SCOPES

from . import (
    api_errors,
    authentication,
    idempotency,
    openapi_operation,
    problems,
    request_body,
    responses,
)

type View = Callable[..., Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """What was declared; the table of authorisations in the tests is held against these. A `keyed` one is refused
    without an `Idempotency-Key`; one that `repeats` takes none, as it changes nothing the second time; one without a
    scope is open to everybody. `also` are types of bodies taken beside JSON, where the format is another's. `answer`
    is the shape of what it says."""

    method: str
    path: str
    scope: str
    tag: str
    operation_id: str
    requires_key: bool = False
    is_idempotent: bool = False
    takes_body: bool = False
    takes_file: bool = False
    extra_media_types: tuple[str, ...] = ()
    response_schema: Any = None


ENDPOINTS: list[Endpoint] = []


class Routes:
    """The endpoints of one noun. A view takes the request and what the path, the query and the body say; what it
    returns has the declared shape, which mypy checks and pydantic writes."""

    def __init__(self, *, tag: str, handles_files: bool = False) -> None:
        self.router = Router(tags=[tag])
        self.tag = tag
        self._codes = problems.CATALOGUE.keys() - (
            () if handles_files else problems.SIGNED_FILE_CODES
        )

    def get[T](
        self, path: str, *, scope: str, response_schema: type[T], error_statuses: Iterable[int] = ()
    ) -> Callable[[Callable[..., T]], Callable[..., T]]:
        """Declare a read. Answers carry an ETag."""

        def declare(view: Callable[..., T]) -> Callable[..., T]:
            def run(request: authentication.AuthenticatedRequest, **values: Any) -> HttpResponse:
                body = view(request, **values)
                return responses.build_read_response(
                    request, responses.dump_json(body, schema=response_schema)
                )

            self._add_endpoint(
                "GET", path, view, run, scope, response_schema, 200, error_statuses, body=None
            )
            return view

        return declare

    def get_file(
        self,
        path: str,
        *,
        scope: str,
        error_statuses: Iterable[int] = (),
        media_type: str = responses.CSV,
    ) -> Callable[[Callable[..., responses.FileDownload]], Callable[..., responses.FileDownload]]:
        """Declare a read that answers a table, streamed: CSV if nothing else. It carries an ETag too."""

        def declare(
            view: Callable[..., responses.FileDownload],
        ) -> Callable[..., responses.FileDownload]:
            def run(
                request: authentication.AuthenticatedRequest, **values: Any
            ) -> HttpResponseBase:
                return responses.build_file_response(request, view(request, **values))

            self._add_endpoint(
                "GET",
                path,
                view,
                run,
                scope,
                None,
                200,
                error_statuses,
                body=None,
                media_type=media_type,
            )
            return view

        return declare

    def get_signed_file(
        self,
        path: str,
        *,
        scope: str,
        error_statuses: Iterable[int] = (),
        media_type: str = responses.ENVELOPE,
    ) -> Callable[
        [Callable[..., responses.SignedFileDownload]], Callable[..., responses.SignedFileDownload]
    ]:
        """Declare a read that answers a signed file, byte for byte. Without a scope it is open to everybody."""

        def declare(
            view: Callable[..., responses.SignedFileDownload],
        ) -> Callable[..., responses.SignedFileDownload]:
            def run(request: HttpRequest, **values: Any) -> HttpResponse:
                return responses.build_signed_file_response(
                    request, view(request, **values), is_public=not scope
                )

            self._add_endpoint(
                "GET",
                path,
                view,
                run,
                scope,
                None,
                200,
                error_statuses,
                body=None,
                media_type=media_type,
            )
            return view

        return declare

    def upload[T](
        self,
        path: str,
        *,
        scope: str,
        response_schema: type[T],
        is_located: bool = True,
        error_statuses: Iterable[int] = (),
    ) -> Callable[
        [Callable[..., responses.WriteResult[T]]], Callable[..., responses.WriteResult[T]]
    ]:
        """Declare a write that takes a file as it is, given to the view as `raw`. The same file again is known by its
        bytes, so it takes no `Idempotency-Key`."""

        def declare(
            view: Callable[..., responses.WriteResult[T]],
        ) -> Callable[..., responses.WriteResult[T]]:
            def run(request: authentication.AuthenticatedRequest, **values: Any) -> HttpResponse:
                result = view(request, raw=request.body, **values)
                response = responses.build_write_response(
                    responses.dump_json(result.body, schema=response_schema),
                    status=201,
                    location=result.location,
                )
                return idempotency.mark_replayed(response) if result.is_replay else response

            statuses = {409, *error_statuses}
            self._add_endpoint(
                "POST",
                path,
                view,
                run,
                scope,
                response_schema,
                201,
                statuses,
                body=None,
                takes_file=True,
                is_located=is_located,
            )
            return view

        return declare

    def idempotent_post[T](
        self,
        path: str,
        *,
        scope: str,
        body: Any,
        response_schema: type[T],
        error_statuses: Iterable[int] = (),
    ) -> Callable[[Callable[..., T]], Callable[..., T]]:
        """Declare a decision that, sent twice, changes nothing the second time, and so takes no key."""
        return self._declare_idempotent(
            "POST",
            path,
            scope=scope,
            body=body,
            response_schema=response_schema,
            error_statuses=error_statuses,
        )

    def post[T](
        self,
        path: str,
        *,
        scope: str,
        response_schema: type[T],
        body: Any = None,
        status: int = 201,
        requires_key: bool = False,
        is_located: bool = True,
        error_statuses: Iterable[int] = (),
    ) -> Callable[
        [Callable[..., responses.WriteResult[T]]], Callable[..., responses.WriteResult[T]]
    ]:
        """Declare a write that makes something (or, with the status 200, decides something).

        It takes an `Idempotency-Key`, under which its answer is kept for a day. A `keyed` one needs it: the view gets
        it as `key`, for a book that holds to it for ever, and nothing is kept here. What it makes is found at an
        address of its own if it `is_located`.
        """
        parser: TypeAdapter[Any] | None = TypeAdapter(body) if body is not None else None

        def declare(
            view: Callable[..., responses.WriteResult[T]],
        ) -> Callable[..., responses.WriteResult[T]]:
            def run(request: authentication.AuthenticatedRequest, **values: Any) -> HttpResponse:
                if parser is not None:
                    values["body"] = request_body.parse(parser, request.body)
                if requires_key:
                    result = view(request, key=idempotency.require_key(request), **values)
                    response = responses.build_write_response(
                        responses.dump_json(result.body, schema=response_schema),
                        status=status,
                        location=result.location,
                    )
                    return idempotency.mark_replayed(response) if result.is_replay else response

                def write() -> idempotency.CompletedWrite:
                    result = view(request, **values)
                    raw = responses.dump_json(result.body, schema=response_schema)
                    replay_body = (
                        raw
                        if result.replay_body is None
                        else responses.dump_json(result.replay_body, schema=response_schema)
                    )
                    return idempotency.CompletedWrite(
                        status=status, body=raw, replay_body=replay_body, location=result.location
                    )

                return idempotency.run_idempotently(
                    request=request, principal=request.auth.principal, write=write
                )

            key_requirement: openapi_operation.KeyRequirement = (
                "required" if requires_key else "optional"
            )
            statuses = {409, *error_statuses}
            self._add_endpoint(
                "POST",
                path,
                view,
                run,
                scope,
                response_schema,
                status,
                statuses,
                body=body,
                key_requirement=key_requirement,
                is_located=is_located and status == 201,
            )
            return view

        return declare

    def query[T](
        self,
        path: str,
        *,
        scope: str,
        body: Any,
        response_schema: type[T],
        error_statuses: Iterable[int] = (),
    ) -> Callable[[Callable[..., T]], Callable[..., T]]:
        """Declare a question that needs a body: it writes nothing, and nobody keeps the answer."""
        parser: TypeAdapter[Any] = TypeAdapter(body)

        def declare(view: Callable[..., T]) -> Callable[..., T]:
            def run(request: authentication.AuthenticatedRequest, **values: Any) -> HttpResponse:
                result = view(request, body=request_body.parse(parser, request.body), **values)
                return responses.build_write_response(
                    responses.dump_json(result, schema=response_schema), status=200
                )

            self._add_endpoint(
                "POST",
                path,
                view,
                run,
                scope,
                response_schema,
                200,
                error_statuses,
                body=body,
                is_idempotent=True,
            )
            return view

        return declare

    def put[T](
        self,
        path: str,
        *,
        scope: str,
        body: Any,
        response_schema: type[T],
        error_statuses: Iterable[int] = (),
    ) -> Callable[[Callable[..., T]], Callable[..., T]]:
        """Declare a write that sets something: sent twice, it changes nothing the second time."""
        return self._declare_idempotent(
            "PUT",
            path,
            scope=scope,
            body=body,
            response_schema=response_schema,
            error_statuses=error_statuses,
        )

    def delete(
        self, path: str, *, scope: str, error_statuses: Iterable[int] = ()
    ) -> Callable[[Callable[..., None]], Callable[..., None]]:
        """Declare a write that ends something: sent twice, it changes nothing the second time."""

        def declare(view: Callable[..., None]) -> Callable[..., None]:
            def run(request: authentication.AuthenticatedRequest, **values: Any) -> HttpResponse:
                view(request, **values)
                return responses.build_write_response(b"", status=204)

            self._add_endpoint(
                "DELETE",
                path,
                view,
                run,
                scope,
                None,
                204,
                error_statuses,
                body=None,
                is_idempotent=True,
            )
            return view

        return declare

    def post_raw(
        self,
        path: str,
        *,
        scope: str,
        body: Any,
        response_schema: Any,
        error_statuses: Iterable[int] = (),
        extra_media_types: tuple[str, ...] = (),
    ) -> Callable[[View], View]:
        """Declare a write that reads its body and writes its answer itself; `also` are types of bodies beside JSON."""

        def declare(view: View) -> View:
            statuses = {409, *error_statuses}
            self._add_endpoint(
                "POST",
                path,
                view,
                view,
                scope,
                response_schema,
                200,
                statuses,
                body=body,
                extra_media_types=extra_media_types,
            )
            return view

        return declare

    def _declare_idempotent[T](
        self,
        method: str,
        path: str,
        *,
        scope: str,
        body: Any,
        response_schema: type[T],
        error_statuses: Iterable[int],
    ) -> Callable[[Callable[..., T]], Callable[..., T]]:
        parser: TypeAdapter[Any] = TypeAdapter(body)

        def declare(view: Callable[..., T]) -> Callable[..., T]:
            def run(request: authentication.AuthenticatedRequest, **values: Any) -> HttpResponse:
                result = view(request, body=request_body.parse(parser, request.body), **values)
                return responses.build_write_response(
                    responses.dump_json(result, schema=response_schema), status=200
                )

            self._add_endpoint(
                method,
                path,
                view,
                run,
                scope,
                response_schema,
                200,
                error_statuses,
                body=body,
                is_idempotent=True,
            )
            return view

        return declare

    def _add_endpoint(
        self,
        method: str,
        path: str,
        view: View,
        run: View,
        scope: str,
        response_schema: Any,
        status: int,
        error_statuses: Iterable[int],
        *,
        body: Any,
        key_requirement: openapi_operation.KeyRequirement = "",
        is_idempotent: bool = False,
        media_type: str = "",
        takes_file: bool = False,
        is_located: bool = False,
        extra_media_types: tuple[str, ...] = (),
    ) -> None:
        if scope and scope not in SCOPES:
            raise ValueError(f"{path} asks for the scope {scope!r}, which does not exist")
        operation_id = view.__name__
        if any(endpoint.operation_id == operation_id for endpoint in ENDPOINTS):
            raise ValueError(f"{path}: another endpoint is called {operation_id} already")
        ENDPOINTS.append(
            Endpoint(
                method=method,
                path=path,
                scope=scope,
                tag=self.tag,
                operation_id=operation_id,
                requires_key=key_requirement == "required",
                is_idempotent=is_idempotent,
                takes_body=body is not None and not extra_media_types,
                takes_file=takes_file,
                extra_media_types=extra_media_types,
                response_schema=response_schema,
            )
        )
        # What the view gets beside what the path and the query say.
        injected_names = {"body", "raw"} | ({"key"} if key_requirement == "required" else set())
        summary, _, rest = inspect.cleandoc(view.__doc__ or "").partition("\n\n")
        self.router.api_operation(
            [method],
            path,
            auth=authentication.build_authenticators(scope) if scope else None,
            response={status: response_schema},
            operation_id=operation_id,
            url_name=operation_id,
            summary=" ".join(summary.split()).rstrip("."),
            description=f"{rest}\n\nTakes {f'the scope `{scope}`' if scope else 'no key'}.".strip(),
            openapi_extra=openapi_operation.describe_operation(
                method,
                path,
                status,
                error_statuses,
                codes=self._codes,
                scope=scope,
                body=body,
                key_requirement=key_requirement,
                media_type=media_type,
                takes_file=takes_file,
                is_located=is_located,
                extra_media_types=extra_media_types,
            ),
        )(_reject_unknown_parameters(view, run, injected_names=injected_names))


def _reject_unknown_parameters(view: View, run: View, *, injected_names: set[str]) -> View:
    """`run` with the view's parameters `but` these; a query that names any other is refused."""
    signature = inspect.signature(view)
    parameters = [p for p in signature.parameters.values() if p.name not in injected_names]
    names = {p.name for p in parameters}

    @functools.wraps(view)
    def checked_view(request: HttpRequest, **values: Any) -> HttpResponseBase:
        unknown = sorted(request.GET.keys() - names)
        if unknown:
            known_names = ", ".join(sorted(names - {"request"}))
            message = f"This endpoint takes no such parameter; it takes {known_names or 'none'}."
            raise request_body.build_invalid_request(
                [
                    api_errors.InvalidInput(
                        location=f"query.{name}"[:100], value=request.GET[name], message=message
                    )
                    for name in unknown
                ]
            )
        response: HttpResponseBase = run(request, **values)
        return response

    checked_view.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return checked_view
