"""The pages of rule sets: what clauses say and whom they bind, what they find in a text, how a set is registered."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render

from mintmark.accounts.models import Role
from mintmark.common import errors
from mintmark.registry import codex_documents, codices
from mintmark.registry.models import Assistant, Codex, Prompt
from mintmark.textchecks import clauses
from mintmark.textchecks.clauses import ClauseResult
from mintmark.textchecks.injection_scan import ScanHit

from .. import decorators, query_params, untrusted_text
from . import check_descriptions, document_errors

ROWS_PER_PAGE = 25
BINDINGS_SHOWN = 30
MAX_CHARACTERS = 50_000
"""Of a text that is checked on a page; the API takes more."""

EXAMPLE = """name: house-rules
description: How we talk to customers.
clauses:
  - id: no-promise
    text: Promises no refund.
    severity: block            # block: blocks the prompt; warn: warning only
    applies_to: output         # or prompt
    check: {kind: not-regex, value: '(?i)\\brefund(ed|s)?\\b'}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClauseRow:
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
class CodexCheckResult:
    """A text that was checked: what each clause says of it, and the text in parts with the places marked."""

    text: str
    applies_to: str
    verdicts: Sequence[ClauseResult]
    segments: Sequence[untrusted_text.TextSegment]

    @property
    def blocking(self) -> int:
        return sum(result.blocks for result in self.verdicts)


@decorators.get_view
def list_codices(request: HttpRequest) -> HttpResponseBase:
    """`/codices`: the newest version of each rule set."""
    before = query_params.parse_integer(request.GET, "before")
    rows = codices.list_newest().order_by("-id")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    fetched_rows = list(rows[: ROWS_PER_PAGE + 1])
    shown_rows = fetched_rows[:ROWS_PER_PAGE]
    context = {
        "codices": [(codex, _count_by_severity(codex)) for codex in shown_rows],
        "default": codices.get_default(),
        "more": shown_rows[-1].pk if len(fetched_rows) > ROWS_PER_PAGE else None,
        "before": before,
        "may_register": decorators.get_caller(request).has_role_anywhere(Role.OPERATOR),
    }
    return render(request, "web/codices.html", context)


@decorators.form_view
def show_codex(request: HttpRequest, codex_id: int) -> HttpResponseBase:
    """`/codices/<id>`; its form checks a text, of which nothing is kept."""
    codex = _get_codex(codex_id)
    check_result, error_message = None, ""
    if request.method == "POST":
        text = request.POST.get("text", "").replace("\r\n", "\n")
        applies_to = query_params.parse_choice(
            request.POST, "applies_to", allowed=clauses.APPLIES_TO, default="prompt"
        )
        if len(text) > MAX_CHARACTERS:
            error_message = (
                f"The text has {len(text):,} characters. "
                f"This page accepts at most {MAX_CHARACTERS:,}, the API more."
            )
        elif not text.strip():
            error_message = "Paste a text to check."
        if not error_message:
            check_result = check_text(codex, text=text, applies_to=applies_to)
    context = {"codex": codex, "tried": check_result, "problem": error_message}
    if request.headers.get("HX-Request") == "true":
        return render(request, "web/codex.html#found", context)
    context |= _build_context(codex) | {"typed": request.POST.get("text", "")}
    return render(request, "web/codex.html", context, status=422 if error_message else 200)


@decorators.form_view
def create_codex(request: HttpRequest) -> HttpResponseBase:
    """`/codices/new`: for operators; what was typed stays there until it fits."""
    caller = decorators.get_caller(request)
    if not caller.has_role_anywhere(Role.OPERATOR):
        raise errors.Forbidden("To register a rule set, you need the role ‘operator’ in a team.")
    document = request.POST.get("text", "")
    problems: Sequence[document_errors.DocumentError] = ()
    error_message = ""
    if request.method == "POST":
        try:
            codex, is_new = codex_documents.register_codex(
                codex_documents.parse_codex(document), caller=caller
            )
        except errors.DomainError as error:
            error_message, problems = (
                error.message,
                document_errors.list_document_errors(error, text=document, list_path="clauses"),
            )
        else:
            message = (
                f"{codex} is registered. It is not bound to anything yet."
                if is_new
                else f"{codex} with these clauses is already registered. Nothing was changed."
            )
            messages.success(request, message)
            return redirect("codex", codex.pk)
    context = {"typed": document, "refusal": error_message, "wrong": problems, "example": EXAMPLE}
    return render(request, "web/new_codex.html", context, status=422 if error_message else 200)


def list_clauses(codex: Codex) -> list[ClauseRow]:
    """The clauses of a codex as they are read."""
    return [
        ClauseRow(
            id=str(clause.get("id", "")),
            text=str(clause.get("text", "")),
            severity=str(clause.get("severity", "")),
            applies_to=str(clause.get("applies_to", "")),
            kind=str((clause.get("check") or {}).get("kind", "")),
            looks_at=check_descriptions.describe_check(clause),
        )
        for clause in codex.clauses
    ]


def check_text(codex: Codex, *, text: str, applies_to: str) -> CodexCheckResult:
    """What a codex says of a text, as of a prompt's with the variables that stand in it, or as of an output."""
    results = codex_documents.check_text(codex, text=text, applies_to=applies_to)
    return CodexCheckResult(
        text=text,
        applies_to=applies_to,
        verdicts=results,
        segments=split_at_violations(text, results),
    )


def split_at_violations(
    text: str, verdicts: Sequence[ClauseResult]
) -> list[untrusted_text.TextSegment]:
    """A text in parts, with the places marked at which clauses are broken."""
    spans = sorted(
        (*result.span, f"{result.clause}: {result.reason}")
        for result in verdicts
        if result.span is not None
    )
    marks = [
        ScanHit(kind="clause", name=label, line=0, column=0, offset=start, length=end - start)
        for start, end, label in spans
    ]
    return untrusted_text.split_marked(text, marks=marks)


def _count_by_severity(codex: Codex) -> tuple[int, int]:
    """How many clauses block, and how many warn."""
    blocking = sum(clause.get("severity") == "block" for clause in codex.clauses)
    return blocking, len(codex.clauses) - blocking


def _build_context(codex: Codex) -> dict[str, Any]:
    bound_prompts = Prompt.objects.filter(contracts__codex=codex).order_by(
        "namespace", "name", "revision"
    )
    assistants = Assistant.objects.filter(codices=codex).select_related("team").order_by("name")
    return {
        "clauses": list_clauses(codex),
        "versions": Codex.objects.filter(name=codex.name).order_by("-version")[:50],
        "binds_all": codex == codices.get_default(),
        "prompts": bound_prompts[:BINDINGS_SHOWN],
        "prompts_in_all": bound_prompts.count(),
        "assistants": assistants[:BINDINGS_SHOWN],
        "assistants_in_all": assistants.count(),
    }


def _get_codex(codex_id: int) -> Codex:
    codex = Codex.objects.filter(pk=codex_id).first()
    if codex is None:
        raise errors.NotFound(f"There is no rule set {codex_id}.")
    return codex
