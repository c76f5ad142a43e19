"""The pages of rituals: what each asks and how it judges, what it has measured so far, and how one is registered."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role
from mintmark.common import documents, errors
from mintmark.registry import codices
from mintmark.registry.models import Codex, Ritual
from mintmark.registry.rituals import InvalidRitual
from mintmark.rituals import definitions
from mintmark.rituals import runs as ritual_runs
from mintmark.rituals.definitions import Case, RitualDefinition

from .. import decorators, query_params
from . import check_descriptions, document_errors, results

ROWS_PER_PAGE = 25
CASES_PER_PAGE = 25
MAX_CHARACTERS = 500_000
"""Of a ritual that is pasted; the API and the command line take more."""

EXAMPLE = """name: urgency
tag: task:triage
description: Does it tell how urgent a ticket is?
options: {temperature: 0, max_tokens: 256}
cases:
  - id: outage
    vars: {ticket: The whole site is down.}
    assert: [{type: icontains, value: urgent}]
    weight: 2
  - id: typo
    vars: {ticket: There is a typo in the footer.}
    assert: [{type: not-icontains, value: urgent}]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseDescription:
    """A case as it is read: what fills the variables, what is asked, and what the output has to be."""

    case: Case
    variables: Sequence[tuple[str, Sequence[str]]]
    assertions: Sequence[tuple[str, str, float]]


@decorators.get_view
def list_rituals(request: HttpRequest) -> HttpResponseBase:
    """`/rituals`: the newest version of each."""
    caller = decorators.get_caller(request)
    before = query_params.parse_integer(request.GET, "before")
    text = query_params.parse_text(request.GET, "q")
    rows = _query_newest(caller)
    if text:
        rows = rows.filter(Q(name__icontains=text) | Q(tag__icontains=text))
    if before is not None:
        rows = rows.filter(pk__lt=before)
    fetched_rows = list(rows[: ROWS_PER_PAGE + 1])
    shown_rows = fetched_rows[:ROWS_PER_PAGE]
    context = {
        "rituals": [(ritual, len(ritual.definition.get("cases", []))) for ritual in shown_rows],
        "more": shown_rows[-1].pk if len(fetched_rows) > ROWS_PER_PAGE else None,
        "before": before,
        "text": text,
        "may_register": caller.has_role_anywhere(Role.OPERATOR),
    }
    return render(request, "web/rituals.html", context)


@decorators.get_view
def show_ritual(request: HttpRequest, ritual_id: int) -> HttpResponseBase:
    """`/rituals/<id>`: one version, its cases a page at a time, and what it has measured."""
    ritual = Ritual.objects.filter(pk=ritual_id).first()
    if ritual is None:
        raise errors.NotFound(f"There is no task {ritual_id}.")
    start = query_params.parse_integer(request.GET, "case", maximum=definitions.MAX_CASES) or 1
    return render(
        request,
        "web/ritual.html",
        build_context(ritual, start=start, caller=decorators.get_caller(request)),
    )


@decorators.form_view
def create_ritual(request: HttpRequest) -> HttpResponseBase:
    """`/rituals/new`: for operators; what was typed stays there until it fits."""
    if not decorators.get_caller(request).has_role_anywhere(Role.OPERATOR):
        raise errors.Forbidden("To register a task, you need the role ‘operator’ in a team.")
    document = request.POST.get("text", "")
    problems: Sequence[document_errors.DocumentError] = ()
    error_message = ""
    if request.method == "POST":
        try:
            definition = _parse_definition(document)
            versions_before = Ritual.objects.filter(name=definition.name).count()
            ritual = definitions.register_definition(
                definition, caller=decorators.get_caller(request)
            )
        except errors.DomainError as error:
            error_message, problems = (
                error.message,
                document_errors.list_document_errors(error, text=document),
            )
        else:
            is_new = Ritual.objects.filter(name=ritual.name).count() > versions_before
            message = (
                f"{ritual} is registered, with {len(definition.cases)} cases."
                if is_new
                else f"{ritual} is already registered with this definition. Nothing was changed."
            )
            messages.success(request, message)
            return redirect("ritual", ritual.pk)
    context = {"typed": document, "refusal": error_message, "wrong": problems, "example": EXAMPLE}
    return render(request, "web/new_ritual.html", context, status=422 if error_message else 200)


def build_context(ritual: Ritual, *, start: int, caller: Caller) -> dict[str, Any]:
    """All that the page shows of a ritual; of one that was registered by name alone, that it can't be run."""
    context: dict[str, Any] = {
        "ritual": ritual,
        "versions": Ritual.objects.filter(name=ritual.name).order_by("-version")[:50],
        "definition": None,
    }
    try:
        definition = definitions.get_definition(ritual)
    except InvalidRitual as error:
        return context | {"cannot_run": error.message}
    shown_cases = definition.cases[start - 1 : start - 1 + CASES_PER_PAGE]
    end = start - 1 + len(shown_cases)
    return context | {
        "definition": definition,
        "cases_weighed": sum(case.weight > 0.0 for case in definition.cases),
        "weight_in_all": sum(case.weight for case in definition.cases),
        "cases": [_describe_case(case) for case in shown_cases],
        "start": start,
        "end": end,
        "older": max(1, start - CASES_PER_PAGE) if start > 1 else None,
        "newer": end + 1 if end < len(definition.cases) else None,
        "codices": _resolve_codices(definition),
        "results": results.list_results(ritual, definition=definition, caller=caller),
        "operates": caller.has_role_anywhere(Role.OPERATOR),
    }


def _parse_definition(text: str) -> RitualDefinition:
    if len(text) > MAX_CHARACTERS:
        raise documents.InvalidDocument(
            f"It has {len(text):,} characters, and this page accepts {MAX_CHARACTERS:,}: use `mintmark ritual load`."
        )
    return definitions.parse_definition(text)


def _query_newest(caller: Caller) -> QuerySet[Ritual]:
    """The newest version of each ritual, with how many of the caller's runs it has."""
    newer = Ritual.objects.filter(name=OuterRef("name"), version__gt=OuterRef("version"))
    visible_runs = ritual_runs.visible_to(caller=caller).filter(ritual=OuterRef("pk")).order_by()
    run_counts = visible_runs.values("ritual").annotate(n=Count("pk")).values("n")
    rows = Ritual.objects.filter(~Exists(newer)).annotate(kept_runs=Subquery(run_counts))
    return rows.order_by("-id")


def _describe_case(case: Case) -> CaseDescription:
    return CaseDescription(
        case=case,
        variables=[
            (name, (value,) if isinstance(value, str) else value)
            for name, value in case.variables.items()
        ],
        assertions=[
            (assertion.name, check_descriptions.describe_assertion(assertion), assertion.weight)
            for assertion in case.assertions
        ],
    )


def _resolve_codices(definition: RitualDefinition) -> list[tuple[str, Codex | None]]:
    """The codices that it names; of a name without a version the newest."""
    resolved_codices: list[tuple[str, Codex | None]] = []
    for reference in definition.codices:
        try:
            resolved_codices.append((reference, codices.resolve(reference=reference)))
        except errors.NotFound:
            resolved_codices.append((reference, None))
    return resolved_codices
