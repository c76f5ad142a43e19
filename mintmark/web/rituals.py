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
from mintmark.core import errors
from mintmark.registry import codices
from mintmark.registry.models import Codex, Ritual
from mintmark.registry.rituals import InvalidRitual
from mintmark.rituals import definitions, documents
from mintmark.rituals import runs as ritual_runs
from mintmark.rituals.definitions import Case, Definition

from . import doors, parameters, places, results, spoken

ROWS_A_PAGE = 25
CASES_A_PAGE = 25
MOST_CHARACTERS = 500_000
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
class Asked:
    """A case as it is read: what fills the variables, what is asked, and what the output has to be."""

    case: Case
    variables: Sequence[tuple[str, Sequence[str]]]
    asserts: Sequence[tuple[str, str, float]]


@doors.page
def page(request: HttpRequest) -> HttpResponseBase:
    """`/rituals`: the newest version of each."""
    caller = doors.caller(request)
    before = parameters.whole(request.GET, "before")
    text = parameters.text(request.GET, "q")
    rows = _newest(caller)
    if text:
        rows = rows.filter(Q(name__icontains=text) | Q(tag__icontains=text))
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows[: ROWS_A_PAGE + 1])
    shown = found[:ROWS_A_PAGE]
    context = {
        "rituals": [(one, len(one.definition.get("cases", []))) for one in shown],
        "more": shown[-1].pk if len(found) > ROWS_A_PAGE else None,
        "before": before,
        "text": text,
        "may_register": caller.holds(Role.OPERATOR),
    }
    return render(request, "web/rituals.html", context)


@doors.page
def one(request: HttpRequest, ritual_id: int) -> HttpResponseBase:
    """`/rituals/<id>`: one version, its cases a page at a time, and what it has measured."""
    ritual = Ritual.objects.filter(pk=ritual_id).first()
    if ritual is None:
        raise errors.NotFound(f"There is no ritual {ritual_id}.")
    start = parameters.whole(request.GET, "case", highest=definitions.MOST_CASES) or 1
    return render(
        request, "web/ritual.html", read(ritual, start=start, caller=doors.caller(request))
    )


@doors.form
def new(request: HttpRequest) -> HttpResponseBase:
    """`/rituals/new`: for operators; what was typed stays there until it fits."""
    if not doors.caller(request).holds(Role.OPERATOR):
        raise errors.Forbidden("Registering a ritual takes the role 'operator' in some team.")
    typed = request.POST.get("text", "")
    wrong: Sequence[places.Wrong] = ()
    refusal = ""
    if request.method == "POST":
        try:
            definition = _read(typed)
            before = Ritual.objects.filter(name=definition.name).count()
            made = definitions.register(definition)
        except errors.Refusal as refused:
            refusal, wrong = refused.message, places.of(refused, text=typed)
        else:
            is_new = Ritual.objects.filter(name=made.name).count() > before
            said = (
                f"{made} is registered, with {len(definition.cases)} cases."
                if is_new
                else f"{made} was there already, just so: nothing changed."
            )
            messages.success(request, said)
            return redirect("ritual", made.pk)
    context = {"typed": typed, "refusal": refusal, "wrong": wrong, "example": EXAMPLE}
    return render(request, "web/new_ritual.html", context, status=422 if refusal else 200)


def read(ritual: Ritual, *, start: int, caller: Caller) -> dict[str, Any]:
    """All that the page shows of a ritual; of one that was registered by name alone, that it can't be run."""
    context: dict[str, Any] = {
        "ritual": ritual,
        "versions": Ritual.objects.filter(name=ritual.name).order_by("-version")[:50],
        "definition": None,
    }
    try:
        definition = definitions.of(ritual)
    except InvalidRitual as refused:
        return context | {"cannot_run": refused.message}
    shown = definition.cases[start - 1 : start - 1 + CASES_A_PAGE]
    end = start - 1 + len(shown)
    return context | {
        "definition": definition,
        "cases_weighed": sum(case.weight > 0.0 for case in definition.cases),
        "weight_in_all": sum(case.weight for case in definition.cases),
        "cases": [_asked(case) for case in shown],
        "start": start,
        "end": end,
        "older": max(1, start - CASES_A_PAGE) if start > 1 else None,
        "newer": end + 1 if end < len(definition.cases) else None,
        "codices": _codices(definition),
        "results": results.of(ritual, definition=definition, caller=caller),
        "operates": caller.holds(Role.OPERATOR),
    }


def _read(text: str) -> Definition:
    if len(text) > MOST_CHARACTERS:
        raise documents.InvalidDocument(
            f"It has {len(text):,} characters, and a page takes {MOST_CHARACTERS:,}: use `mintmark ritual load`."
        )
    return definitions.read(text)


def _newest(caller: Caller) -> QuerySet[Ritual]:
    """The newest version of each ritual, with how many of the caller's runs it has."""
    newer = Ritual.objects.filter(name=OuterRef("name"), version__gt=OuterRef("version"))
    mine = ritual_runs.visible_to(caller=caller).filter(ritual=OuterRef("pk")).order_by()
    counted = mine.values("ritual").annotate(n=Count("pk")).values("n")
    rows = Ritual.objects.filter(~Exists(newer)).annotate(kept_runs=Subquery(counted))
    return rows.order_by("-id")


def _asked(case: Case) -> Asked:
    return Asked(
        case=case,
        variables=[
            (name, (value,) if isinstance(value, str) else value)
            for name, value in case.variables.items()
        ],
        asserts=[(one.name, spoken.assertion(one), one.weight) for one in case.assertions],
    )


def _codices(definition: Definition) -> list[tuple[str, Codex | None]]:
    """The codices that it names; of a name without a version the newest."""
    found: list[tuple[str, Codex | None]] = []
    for reference in definition.codices:
        try:
            found.append((reference, codices.named(reference=reference)))
        except errors.NotFound:
            found.append((reference, None))
    return found
