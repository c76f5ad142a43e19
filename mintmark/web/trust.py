"""The page of an assistant's trust in prompts: its matrix as a table or heat map, wording, suggestions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone

from mintmark.accounts.models import Role
from mintmark.registry import assistants, rituals
from mintmark.registry.models import Assistant, Ritual
from mintmark.reputation.answers import Estimate
from mintmark.reputation.ledger import PromptReputationLedger
from mintmark.trust import tracker as trackers
from mintmark.trust.answers import Matrix, MatrixRow, WordingEffect
from mintmark.trust.tracker import AssistantTrustTracker

from . import ages, doors, files, parameters
from .charts import scales

ROWS_A_PAGE = 50
WORDINGS_SHOWN = 10
SUGGESTIONS_SHOWN = 5
TEAM_PROMPTS = 40
VIEWS = ("table", "heat", "team")
_ORDERS = tuple(name for order in trackers.ORDERS for name in (order, f"-{order}"))

type Direction = Literal["ascending", "descending"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the address asks for. `order` is a column, its other direction with a minus before it."""

    view: str
    text: str
    tag: str
    task: Ritual | None
    other: Assistant | None
    order: str
    page: int

    @property
    def column(self) -> str:
        return self.order.removeprefix("-")

    @property
    def descending(self) -> bool:
        # A name reads from A to Z, a measure from the highest, unless turned round.
        return (self.column == "name") == self.order.startswith("-")

    @property
    def is_filtered(self) -> bool:
        return bool(self.text or self.tag or self.task)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A heading of the matrix; one with an `order` sorts by itself, and the other way round when it does already."""

    label: str
    term: str = ""
    order: str = ""
    css: str = "number"
    sorted: Direction | None = None


COLUMNS = (
    Column(label="Prompt", order="name", css=""),
    Column(label="Trust", order="trust"),
    Column(label="90% interval", order="trust_low", css=""),
    Column(label="All", term="swarm"),
    Column(label="Gap"),
    Column(label="Fit", term="resonance", order="resonance"),
    Column(label="Rules kept", term="symbolic compliance", order="compliance"),
    Column(label="Replay spread", term="dreamframe volatility", order="volatility"),
    Column(label="Drift", term="mutation bias", order="mutation"),
    Column(label="Memory", term="memory fidelity", order="memory"),
    Column(label="Runs", order="runs"),
    Column(label="Age", css=""),
    Column(label="", css=""),
)
_HEAT_MEASURES = ("name", "trust", "resonance", "compliance", "volatility", "mutation", "memory")
ORDER_LABELS = (
    ("trust_low", "lower bound of trust"),
    ("trust", "trust"),
    ("resonance", "fit"),
    ("compliance", "rules kept"),
    ("volatility", "replay spread"),
    ("mutation", "drift"),
    ("memory", "memory"),
    ("runs", "runs"),
    ("name", "name"),
)


@doors.page
def page(request: HttpRequest, assistant_id: int) -> HttpResponseBase:
    """`/assistants/<id>/trust`."""
    assistant = assistants.named(reference=str(assistant_id))
    asked = parse(request)
    now = timezone.now()
    caller = doors.caller(request)
    mine = {
        "is_mine": caller.is_admin or assistant.team_id in caller.team_ids,
        "may_run": caller.has_role(Role.OPERATOR, team_id=assistant.team_id),
    }
    if asked.view == "team":
        return render(request, "web/trust.html", _team(assistant, asked, now=now) | mine)
    return render(request, "web/trust.html", read(assistant, asked, now=now) | mine)


@doors.page
def matrix_file(request: HttpRequest, assistant_id: int) -> HttpResponseBase:
    """`/assistants/<id>/trust.csv`: every row that the page's filter lets through, exact."""
    assistant = assistants.named(reference=str(assistant_id))
    found = _matrix(assistant, parse(request), now=timezone.now(), limit=None)
    return files.table(
        name=f"trust-{assistant.pk}.csv", columns=FILE_COLUMNS, rows=_file_rows(found)
    )


def parse(request: HttpRequest) -> Asked:
    """What the address asks for; a part that is not known is refused by name."""
    task = parameters.whole(request.GET, "task")
    other = parameters.whole(request.GET, "with")
    return Asked(
        view=parameters.choice(request.GET, "view", allowed=VIEWS, default="table"),
        text=parameters.text(request.GET, "q"),
        tag=parameters.text(request.GET, "tag", longest=100),
        task=rituals.named(reference=str(task)) if task is not None else None,
        other=assistants.named(reference=str(other)) if other is not None else None,
        order=parameters.choice(request.GET, "order", allowed=_ORDERS, default="trust_low"),
        page=parameters.whole(request.GET, "page", highest=1_000_000) or 1,
    )


def read(assistant: Assistant, asked: Asked, *, now: datetime) -> dict[str, Any]:
    """All that the page shows as a table or as a heat map of measures."""
    matrix = _matrix(assistant, asked, now=now, limit=ROWS_A_PAGE)
    others = _of_other(asked, now=now)
    times = ages.of_events(row.last_event for row in matrix.rows)
    context = _frame(assistant, asked) | {
        "matrix": matrix,
        "rows": [
            (row, others.get(row.prompt.pk), times.get(row.last_event)) for row in matrix.rows
        ],
        "columns": _columns(asked, COLUMNS),
        "heat_columns": _columns(asked, [c for c in COLUMNS if c.order in _HEAT_MEASURES]),
        **_pages(asked, total=matrix.total, shown=len(matrix.rows)),
    }
    if asked.view == "heat":
        return context
    tracker = AssistantTrustTracker()
    effects = tracker.wording(assistant=assistant, ritual=asked.task, now=now)[:WORDINGS_SHOWN]
    return context | {
        "wording": effects,
        "wording_reach": _reach(effects),
        "suggestions": tracker.suggestions(assistant=assistant, now=now, limit=SUGGESTIONS_SHOWN),
    }


def _team(assistant: Assistant, asked: Asked, *, now: datetime) -> dict[str, Any]:
    """A task's best prompts by the assistants of the team; the first task where none was asked for."""
    context = _frame(assistant, asked)
    task = asked.task or next(iter(context["rituals"]), None)
    if task is None:
        return context | {"team_rows": []}
    found = AssistantTrustTracker().heat_map(
        team=assistant.team, ritual=task, now=now, prompts=TEAM_PROMPTS
    )
    return context | {
        "matrix": found,
        "team_task": task,
        "team_assistants": found.assistants,
        "team_rows": [
            (
                prompt,
                [
                    (one, found.trust[i][j], found.runs[i][j])
                    for i, one in enumerate(found.assistants)
                ],
            )
            for j, prompt in enumerate(found.prompts)
        ],
    }


def _frame(assistant: Assistant, asked: Asked) -> dict[str, Any]:
    return {
        "assistant": assistant,
        "asked": asked,
        "view": asked.view,
        "filtered": asked.is_filtered,
        "rituals": [ritual for ritual, _ in PromptReputationLedger().tasks()],
        "others": Assistant.objects.exclude(pk=assistant.pk).order_by("name")[:500],
        "orders": ORDER_LABELS,
        "ramp": range(scales.STEPS),
    }


def _matrix(assistant: Assistant, asked: Asked, *, now: datetime, limit: int | None) -> Matrix:
    return AssistantTrustTracker().matrix(
        assistant=assistant,
        now=now,
        ritual=asked.task,
        tag=asked.tag,
        search=asked.text,
        order=asked.column,
        descending=asked.descending,
        offset=(asked.page - 1) * ROWS_A_PAGE if limit is not None else 0,
        limit=limit,
    )


def _of_other(asked: Asked, *, now: datetime) -> dict[int, Estimate]:
    """The trust of the assistant to compare with, by prompt; nothing where none was asked for."""
    if asked.other is None:
        return {}
    found = AssistantTrustTracker().matrix(
        assistant=asked.other,
        now=now,
        ritual=asked.task,
        tag=asked.tag,
        search=asked.text,
        swarm=False,
    )
    return {row.prompt.pk: row.trust for row in found.rows}


def _columns(asked: Asked, columns: Sequence[Column]) -> list[Column]:
    """The headings as this page has them: which one it is sorted by, and what a click on each does."""
    shown = []
    for column in columns:
        label, term = column.label, column.term
        if term == "swarm" and asked.other is not None:
            label, term = asked.other.name, ""
        by_this = bool(column.order) and column.order == asked.column
        shown.append(
            Column(
                label=label,
                term=term,
                css=column.css,
                order=_other_way(asked.order) if by_this else column.order,
                sorted=("descending" if asked.descending else "ascending") if by_this else None,
            )
        )
    return shown


def _other_way(order: str) -> str:
    return order[1:] if order.startswith("-") else f"-{order}"


def _pages(asked: Asked, *, total: int, shown: int) -> dict[str, int]:
    first = (asked.page - 1) * ROWS_A_PAGE
    return {
        "rows_in_all": total,
        "first": first + 1,
        "last": first + shown,
        "page": asked.page,
        "pages": max(1, -(-total // ROWS_A_PAGE)),
        "previous_page": asked.page - 1,
        "next_page": asked.page + 1,
    }


def _reach(effects: Sequence[WordingEffect]) -> float:
    """Half the width of an axis around zero that holds every interval, in hundredths."""
    farthest = max((max(abs(e.low), abs(e.high)) for e in effects), default=0.0)
    return max(0.05, -(-farthest * 100 // 1) / 100)


FILE_COLUMNS = (
    "prompt_id", "prompt", "task", "trust", "trust_low", "trust_high", "all_assistants", "resonance_score",
    "resonance_task", "resonance_wording", "resonance_own_record", "symbolic_compliance", "compliance_checks",
    "dreamframe_volatility", "mutation_bias", "memory_fidelity", "recall_checks", "runs", "last_event", "last_at",
    "as_of", "policy",
)  # fmt: skip


def _file_rows(matrix: Matrix) -> Iterator[Sequence[object]]:
    times = ages.of_events(row.last_event for row in matrix.rows)
    for row in matrix.rows:
        yield _file_row(row, matrix, last_at=times.get(row.last_event))


def _file_row(row: MatrixRow, matrix: Matrix, *, last_at: datetime | None) -> Sequence[object]:
    return (
        row.prompt.pk, row.prompt.reference, row.ritual.name if row.ritual else None,
        row.trust.value, row.trust.low, row.trust.high, row.swarm,
        row.resonance.value, row.resonance.task, row.resonance.wording, row.resonance.own_record,
        row.compliance.value if row.compliance.runs else None, row.compliance.runs,
        row.volatility.value, row.mutation.value,
        row.memory.value if row.memory.runs else None, row.memory.runs,
        row.runs, row.last_event, last_at.isoformat() if last_at else None,
        matrix.as_of, matrix.policy,
    )  # fmt: skip
