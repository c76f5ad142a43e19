"""The pages of rule sets: what clauses say and whom they bind, what they find in a text, how a set is registered."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render

from mintmark.accounts.models import Role
from mintmark.core import clauses, errors
from mintmark.core.clauses import Verdict
from mintmark.core.screening import Mark
from mintmark.registry import codices
from mintmark.registry.models import Assistant, Codex, Prompt
from mintmark.rituals import rule_sets

from . import doors, inert, parameters, places, spoken

ROWS_A_PAGE = 25
BOUND_SHOWN = 30
MOST_CHARACTERS = 50_000
"""Of a text that is checked on a page; the API takes more."""

EXAMPLE = """name: house-rules
description: How we talk to customers.
clauses:
  - id: no-promise
    text: Promises no refund.
    severity: block            # block: stands in the way; warn: is told
    applies_to: output         # or prompt
    check: {kind: not-regex, value: '(?i)\\brefund(ed|s)?\\b'}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """A clause as it is read: in plain words, with what its check looks at."""

    id: str
    text: str
    severity: str
    applies_to: str
    kind: str
    looks_at: str

    @property
    def blocks(self) -> bool:
        return self.severity == "block"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A text that was checked: what each clause says of it, and the text in parts with the places marked."""

    text: str
    applies_to: str
    verdicts: Sequence[Verdict]
    parts: Sequence[inert.Part]

    @property
    def blocking(self) -> int:
        return sum(one.blocks for one in self.verdicts)


@doors.page
def page(request: HttpRequest) -> HttpResponseBase:
    """`/codices`: the newest version of each rule set."""
    before = parameters.whole(request.GET, "before")
    rows = codices.newest().order_by("-id")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows[: ROWS_A_PAGE + 1])
    shown = found[:ROWS_A_PAGE]
    context = {
        "codices": [(one, _counted(one)) for one in shown],
        "default": codices.default(),
        "more": shown[-1].pk if len(found) > ROWS_A_PAGE else None,
        "before": before,
        "may_register": doors.caller(request).holds(Role.OPERATOR),
    }
    return render(request, "web/codices.html", context)


@doors.form
def one(request: HttpRequest, codex_id: int) -> HttpResponseBase:
    """`/codices/<id>`; its form checks a text, of which nothing is kept."""
    codex = _named(codex_id)
    tried, problem = None, ""
    if request.method == "POST":
        text = request.POST.get("text", "").replace("\r\n", "\n")
        applies_to = parameters.choice(
            request.POST, "applies_to", allowed=clauses.APPLIES_TO, default="prompt"
        )
        if len(text) > MOST_CHARACTERS:
            problem = f"The text has {len(text):,} characters; a page checks at most {MOST_CHARACTERS:,}, the API more."
        elif not text.strip():
            problem = "Paste a text to check."
        if not problem:
            tried = checked(codex, text=text, applies_to=applies_to)
    context = {"codex": codex, "tried": tried, "problem": problem}
    if request.headers.get("HX-Request") == "true":
        return render(request, "web/codex.html#found", context)
    context |= _shown(codex) | {"typed": request.POST.get("text", "")}
    return render(request, "web/codex.html", context, status=422 if problem else 200)


@doors.form
def new(request: HttpRequest) -> HttpResponseBase:
    """`/codices/new`: for operators; what was typed stays there until it fits."""
    caller = doors.caller(request)
    if not caller.holds(Role.OPERATOR):
        raise errors.Forbidden("Registering a rule set takes the role 'operator' in some team.")
    typed = request.POST.get("text", "")
    wrong: Sequence[places.Wrong] = ()
    refusal = ""
    if request.method == "POST":
        try:
            made, is_new = rule_sets.register(rule_sets.read(typed), caller=caller)
        except errors.Refusal as refused:
            refusal, wrong = refused.message, places.of(refused, text=typed, within="clauses")
        else:
            said = (
                f"{made} is registered. It binds nobody yet."
                if is_new
                else f"{made} was there already, with these clauses: nothing changed."
            )
            messages.success(request, said)
            return redirect("codex", made.pk)
    context = {"typed": typed, "refusal": refusal, "wrong": wrong, "example": EXAMPLE}
    return render(request, "web/new_codex.html", context, status=422 if refusal else 200)


def told(codex: Codex) -> list[Clause]:
    """The clauses of a codex as they are read."""
    return [
        Clause(
            id=str(one.get("id", "")),
            text=str(one.get("text", "")),
            severity=str(one.get("severity", "")),
            applies_to=str(one.get("applies_to", "")),
            kind=str((one.get("check") or {}).get("kind", "")),
            looks_at=spoken.check(one),
        )
        for one in codex.clauses
    ]


def checked(codex: Codex, *, text: str, applies_to: str) -> Tried:
    """What a codex says of a text, as of a prompt's with the variables that stand in it, or as of an output."""
    found = rule_sets.check(codex, text=text, applies_to=applies_to)
    return Tried(text=text, applies_to=applies_to, verdicts=found, parts=marked(text, found))


def marked(text: str, verdicts: Sequence[Verdict]) -> list[inert.Part]:
    """A text in parts, with the places marked at which clauses are broken."""
    spans = sorted(
        (*one.span, f"{one.clause}: {one.why}") for one in verdicts if one.span is not None
    )
    marks = [
        Mark(kind="clause", name=says, line=0, column=0, offset=start, length=end - start)
        for start, end, says in spans
    ]
    return inert.parts(text, marks=marks)


def _counted(codex: Codex) -> tuple[int, int]:
    """How many clauses block, and how many warn."""
    blocking = sum(one.get("severity") == "block" for one in codex.clauses)
    return blocking, len(codex.clauses) - blocking


def _shown(codex: Codex) -> dict[str, Any]:
    bound = Prompt.objects.filter(contracts__codex=codex).order_by("namespace", "name", "revision")
    assistants = Assistant.objects.filter(codices=codex).select_related("team").order_by("name")
    return {
        "clauses": told(codex),
        "versions": Codex.objects.filter(name=codex.name).order_by("-version")[:50],
        "binds_all": codex == codices.default(),
        "prompts": bound[:BOUND_SHOWN],
        "prompts_in_all": bound.count(),
        "assistants": assistants[:BOUND_SHOWN],
        "assistants_in_all": assistants.count(),
    }


def _named(codex_id: int) -> Codex:
    found = Codex.objects.filter(pk=codex_id).first()
    if found is None:
        raise errors.NotFound(f"There is no rule set {codex_id}.")
    return found
