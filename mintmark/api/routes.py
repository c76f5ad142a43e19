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

from . import answers, bodies, credentials, declared, problems, refusals, replays

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
    name: str
    keyed: bool = False
    repeats: bool = False
    takes_body: bool = False
    takes_file: bool = False
    also: tuple[str, ...] = ()
    answer: Any = None


ENDPOINTS: list[Endpoint] = []


class Routes:
    """The endpoints of one noun. A view takes the request and what the path, the query and the body say; what it
    returns has the declared shape, which mypy checks and pydantic writes."""

    def __init__(self, *, tag: str, handles_files: bool = False) -> None:
        self.router = Router(tags=[tag])
        self.tag = tag
        self._codes = problems.CATALOGUE.keys() - (() if handles_files else problems.OF_FILES)

    def get[T](
        self, path: str, *, scope: str, answer: type[T], refuses: Iterable[int] = ()
    ) -> Callable[[Callable[..., T]], Callable[..., T]]:
        """Declare a read. Answers carry an ETag."""

        def declare(view: Callable[..., T]) -> Callable[..., T]:
            def run(request: credentials.Request, **values: Any) -> HttpResponse:
                body = view(request, **values)
                return answers.read_answer(request, answers.write(body, shape=answer))

            self._add("GET", path, view, run, scope, answer, 200, refuses, body=None)
            return view

        return declare

    def file(
        self, path: str, *, scope: str, refuses: Iterable[int] = (), media: str = answers.CSV
    ) -> Callable[[Callable[..., answers.File]], Callable[..., answers.File]]:
        """Declare a read that answers a table, streamed: CSV if nothing else. It carries an ETag too."""

        def declare(view: Callable[..., answers.File]) -> Callable[..., answers.File]:
            def run(request: credentials.Request, **values: Any) -> HttpResponseBase:
                return answers.file_answer(request, view(request, **values))

            self._add("GET", path, view, run, scope, None, 200, refuses, body=None, media=media)
            return view

        return declare

    def envelope(
        self, path: str, *, scope: str, refuses: Iterable[int] = (), media: str = answers.ENVELOPE
    ) -> Callable[[Callable[..., answers.Envelope]], Callable[..., answers.Envelope]]:
        """Declare a read that answers a signed file, byte for byte. Without a scope it is open to everybody."""

        def declare(view: Callable[..., answers.Envelope]) -> Callable[..., answers.Envelope]:
            def run(request: HttpRequest, **values: Any) -> HttpResponse:
                return answers.envelope_answer(
                    request, view(request, **values), is_public=not scope
                )

            self._add("GET", path, view, run, scope, None, 200, refuses, body=None, media=media)
            return view

        return declare

    def upload[T](
        self,
        path: str,
        *,
        scope: str,
        answer: type[T],
        is_located: bool = True,
        refuses: Iterable[int] = (),
    ) -> Callable[[Callable[..., answers.Created[T]]], Callable[..., answers.Created[T]]]:
        """Declare a write that takes a file as it is, given to the view as `raw`. The same file again is known by its
        bytes, so it takes no `Idempotency-Key`."""

        def declare(view: Callable[..., answers.Created[T]]) -> Callable[..., answers.Created[T]]:
            def run(request: credentials.Request, **values: Any) -> HttpResponse:
                made = view(request, raw=request.body, **values)
                response = answers.write_answer(
                    answers.write(made.body, shape=answer), status=201, location=made.location
                )
                return replays.marked(response) if made.is_replay else response

            statuses = {409, *refuses}
            self._add(
                "POST",
                path,
                view,
                run,
                scope,
                answer,
                201,
                statuses,
                body=None,
                takes_file=True,
                is_located=is_located,
            )
            return view

        return declare

    def act[T](
        self, path: str, *, scope: str, body: Any, answer: type[T], refuses: Iterable[int] = ()
    ) -> Callable[[Callable[..., T]], Callable[..., T]]:
        """Declare a decision that, sent twice, changes nothing the second time, and so takes no key."""
        return self._setting("POST", path, scope=scope, body=body, answer=answer, refuses=refuses)

    def post[T](
        self,
        path: str,
        *,
        scope: str,
        answer: type[T],
        body: Any = None,
        status: int = 201,
        keyed: bool = False,
        is_located: bool = True,
        refuses: Iterable[int] = (),
    ) -> Callable[[Callable[..., answers.Created[T]]], Callable[..., answers.Created[T]]]:
        """Declare a write that makes something (or, with the status 200, decides something).

        It takes an `Idempotency-Key`, under which its answer is kept for a day. A `keyed` one needs it: the view gets
        it as `key`, for a book that holds to it for ever, and nothing is kept here. What it makes is found at an
        address of its own if it `is_located`.
        """
        parser: TypeAdapter[Any] | None = TypeAdapter(body) if body is not None else None

        def declare(view: Callable[..., answers.Created[T]]) -> Callable[..., answers.Created[T]]:
            def run(request: credentials.Request, **values: Any) -> HttpResponse:
                if parser is not None:
                    values["body"] = bodies.parse(parser, request.body)
                if keyed:
                    made = view(request, key=replays.required_key(request), **values)
                    response = answers.write_answer(
                        answers.write(made.body, shape=answer),
                        status=status,
                        location=made.location,
                    )
                    return replays.marked(response) if made.is_replay else response

                def write() -> replays.Done:
                    made = view(request, **values)
                    raw = answers.write(made.body, shape=answer)
                    kept = raw if made.kept is None else answers.write(made.kept, shape=answer)
                    return replays.Done(status=status, body=raw, kept=kept, location=made.location)

                return replays.once(request=request, principal=request.auth.principal, write=write)

            key: declared.KeyTaken = "required" if keyed else "optional"
            statuses = {409, *refuses}
            self._add(
                "POST",
                path,
                view,
                run,
                scope,
                answer,
                status,
                statuses,
                body=body,
                key=key,
                is_located=is_located and status == 201,
            )
            return view

        return declare

    def ask[T](
        self, path: str, *, scope: str, body: Any, answer: type[T], refuses: Iterable[int] = ()
    ) -> Callable[[Callable[..., T]], Callable[..., T]]:
        """Declare a question that needs a body: it writes nothing, and nobody keeps the answer."""
        parser: TypeAdapter[Any] = TypeAdapter(body)

        def declare(view: Callable[..., T]) -> Callable[..., T]:
            def run(request: credentials.Request, **values: Any) -> HttpResponse:
                told = view(request, body=bodies.parse(parser, request.body), **values)
                return answers.write_answer(answers.write(told, shape=answer), status=200)

            self._add("POST", path, view, run, scope, answer, 200, refuses, body=body, repeats=True)
            return view

        return declare

    def put[T](
        self, path: str, *, scope: str, body: Any, answer: type[T], refuses: Iterable[int] = ()
    ) -> Callable[[Callable[..., T]], Callable[..., T]]:
        """Declare a write that sets something: sent twice, it changes nothing the second time."""
        return self._setting("PUT", path, scope=scope, body=body, answer=answer, refuses=refuses)

    def delete(
        self, path: str, *, scope: str, refuses: Iterable[int] = ()
    ) -> Callable[[Callable[..., None]], Callable[..., None]]:
        """Declare a write that ends something: sent twice, it changes nothing the second time."""

        def declare(view: Callable[..., None]) -> Callable[..., None]:
            def run(request: credentials.Request, **values: Any) -> HttpResponse:
                view(request, **values)
                return answers.write_answer(b"", status=204)

            self._add("DELETE", path, view, run, scope, None, 204, refuses, body=None, repeats=True)
            return view

        return declare

    def raw_post(
        self,
        path: str,
        *,
        scope: str,
        body: Any,
        answer: Any,
        refuses: Iterable[int] = (),
        also: tuple[str, ...] = (),
    ) -> Callable[[View], View]:
        """Declare a write that reads its body and writes its answer itself; `also` are types of bodies beside JSON."""

        def declare(view: View) -> View:
            statuses = {409, *refuses}
            self._add("POST", path, view, view, scope, answer, 200, statuses, body=body, also=also)
            return view

        return declare

    def _setting[T](
        self,
        method: str,
        path: str,
        *,
        scope: str,
        body: Any,
        answer: type[T],
        refuses: Iterable[int],
    ) -> Callable[[Callable[..., T]], Callable[..., T]]:
        parser: TypeAdapter[Any] = TypeAdapter(body)

        def declare(view: Callable[..., T]) -> Callable[..., T]:
            def run(request: credentials.Request, **values: Any) -> HttpResponse:
                made = view(request, body=bodies.parse(parser, request.body), **values)
                return answers.write_answer(answers.write(made, shape=answer), status=200)

            self._add(method, path, view, run, scope, answer, 200, refuses, body=body, repeats=True)
            return view

        return declare

    def _add(
        self,
        method: str,
        path: str,
        view: View,
        run: View,
        scope: str,
        answer: Any,
        status: int,
        refuses: Iterable[int],
        *,
        body: Any,
        key: declared.KeyTaken = "",
        repeats: bool = False,
        media: str = "",
        takes_file: bool = False,
        is_located: bool = False,
        also: tuple[str, ...] = (),
    ) -> None:
        if scope and scope not in SCOPES:
            raise ValueError(f"{path} asks for the scope {scope!r}, which does not exist")
        name = f"{self.tag}.{view.__name__}"
        ENDPOINTS.append(
            Endpoint(
                method=method,
                path=path,
                scope=scope,
                name=name,
                keyed=key == "required",
                repeats=repeats,
                takes_body=body is not None and not also,
                takes_file=takes_file,
                also=also,
                answer=answer,
            )
        )
        # What the view gets beside what the path and the query say.
        given = {"body", "raw"} | ({"key"} if key == "required" else set())
        summary, _, rest = inspect.cleandoc(view.__doc__ or "").partition("\n\n")
        self.router.api_operation(
            [method],
            path,
            auth=credentials.holding(scope) if scope else None,
            response={status: answer},
            operation_id=name,
            url_name=name,
            summary=" ".join(summary.split()).rstrip("."),
            description=f"{rest}\n\nTakes {f'the scope `{scope}`' if scope else 'no key'}.".strip(),
            openapi_extra=declared.operation(
                method,
                path,
                status,
                refuses,
                codes=self._codes,
                scope=scope,
                body=body,
                key=key,
                media=media,
                takes_file=takes_file,
                is_located=is_located,
                also=also,
            ),
        )(_taking_only_what_is_declared(view, run, but=given))


def _taking_only_what_is_declared(view: View, run: View, *, but: set[str]) -> View:
    """`run` with the view's parameters `but` these; a query that names any other is refused."""
    signature = inspect.signature(view)
    parameters = [p for p in signature.parameters.values() if p.name not in but]
    names = {p.name for p in parameters}

    @functools.wraps(view)
    def guarded(request: HttpRequest, **values: Any) -> HttpResponseBase:
        unknown = sorted(request.GET.keys() - names)
        if unknown:
            taken = ", ".join(sorted(names - {"request"}))
            message = f"This endpoint takes no such parameter; it takes {taken or 'none'}."
            raise bodies.of_places(
                [
                    refusals.Place(
                        place=f"query.{name}"[:100], value=request.GET[name], message=message
                    )
                    for name in unknown
                ]
            )
        response: HttpResponseBase = run(request, **values)
        return response

    guarded.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return guarded
