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
from mintmark.reputation.ledger import PromptReputationLedger
from mintmark.scoring.estimate import Estimate
from mintmark.trust import tracker as trackers
from mintmark.trust.results import AssistantWordingEffect, TrustMatrix, TrustMatrixRow
from mintmark.trust.tracker import AssistantTrustTracker

from .. import csv_response, decorators, query_params
from ..charts import color_scales
from . import event_ages, own_view

ROWS_PER_PAGE = 50
WORDINGS_SHOWN = 10
SUGGESTIONS_SHOWN = 5
TEAM_PROMPTS = 40
VIEWS = ("table", "heat", "team")
_ORDERS = tuple(name for order in trackers.ORDERS for name in (order, f"-{order}"))

type Direction = Literal["ascending", "descending"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustQuery:
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
class MatrixColumn:
    """A heading of the matrix; one with an `order` sorts by itself, and the other way round when it does already."""

    label: str
    term: str = ""
    order: str = ""
    css: str = "number"
    sorted: Direction | None = None


COLUMNS = (
    MatrixColumn(label="Prompt", order="name", css=""),
    MatrixColumn(label="Trust", order="trust"),
    MatrixColumn(label="90% interval", order="trust_low", css=""),
    MatrixColumn(label="All assistants", term="swarm"),
    MatrixColumn(label="Difference"),
    MatrixColumn(label="Fit", term="resonance", order="resonance"),
    MatrixColumn(label="Rules kept", term="symbolic compliance", order="compliance"),
    MatrixColumn(label="Replay spread", term="dreamframe volatility", order="volatility"),
    MatrixColumn(label="Drift", term="mutation bias", order="mutation"),
    MatrixColumn(label="Memory", term="memory fidelity", order="memory"),
    MatrixColumn(label="Runs", order="runs"),
    MatrixColumn(label="Last run", css=""),
    MatrixColumn(label="", css=""),
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


@decorators.get_view
def show_trust(request: HttpRequest, assistant_id: int) -> HttpResponseBase:
    """`/assistants/<id>/trust`."""
    assistant = assistants.resolve(reference=str(assistant_id))
    query = parse_query(request)
    now = timezone.now()
    caller = decorators.get_caller(request)
    shown = own_view.choose_assistant_view(request, caller=caller, assistant=assistant)
    page = {
        "shown": shown,
        "is_mine": caller.is_admin or assistant.team_id in caller.team_ids,
        "may_run": caller.has_role(Role.OPERATOR, team_id=assistant.team_id),
    }
    if query.view == "team":
        context = _build_team_context(assistant, query, now=now, own_team=shown.own_team)
        return render(request, "web/trust.html", context | page)
    return render(
        request,
        "web/trust.html",
        build_context(assistant, query, now=now, own_team=shown.own_team) | page,
    )


@decorators.get_view
def download_matrix(request: HttpRequest, assistant_id: int) -> HttpResponseBase:
    """`/assistants/<id>/trust.csv`: every row that the page's filter lets through, exact."""
    assistant = assistants.resolve(reference=str(assistant_id))
    shown = own_view.choose_assistant_view(
        request, caller=decorators.get_caller(request), assistant=assistant
    )
    matrix = _load_matrix(
        assistant, parse_query(request), now=timezone.now(), limit=None, own_team=shown.own_team
    )
    return csv_response.build_csv_response(
        name=f"trust-{assistant.pk}.csv", columns=FILE_COLUMNS, rows=_iterate_csv_rows(matrix)
    )


def parse_query(request: HttpRequest) -> TrustQuery:
    """What the address asks for; a part that is not known is refused by name."""
    task = query_params.parse_integer(request.GET, "task")
    other = query_params.parse_integer(request.GET, "with")
    return TrustQuery(
        view=query_params.parse_choice(request.GET, "view", allowed=VIEWS, default="table"),
        text=query_params.parse_text(request.GET, "q"),
        tag=query_params.parse_text(request.GET, "tag", max_length=100),
        task=rituals.resolve(reference=str(task)) if task is not None else None,
        other=assistants.resolve(reference=str(other)) if other is not None else None,
        order=query_params.parse_choice(request.GET, "order", allowed=_ORDERS, default="trust_low"),
        page=query_params.parse_integer(request.GET, "page", maximum=1_000_000) or 1,
    )


def build_context(
    assistant: Assistant, query: TrustQuery, *, now: datetime, own_team: int | None
) -> dict[str, Any]:
    """All that the page shows as a table or as a heat map of measures, as everybody sees it or as its team does."""
    matrix = _load_matrix(assistant, query, now=now, limit=ROWS_PER_PAGE, own_team=own_team)
    other_trust = _load_other_trust(query, now=now)
    times = event_ages.get_event_times(row.last_event for row in matrix.rows)
    context = _build_base_context(assistant, query) | {
        "matrix": matrix,
        "rows": [
            (row, other_trust.get(row.prompt.pk), times.get(row.last_event)) for row in matrix.rows
        ],
        "columns": _build_columns(query, COLUMNS),
        "heat_columns": _build_columns(query, [c for c in COLUMNS if c.order in _HEAT_MEASURES]),
        **_build_pagination(query, total=matrix.total, shown_count=len(matrix.rows)),
    }
    if query.view == "heat":
        return context
    tracker = AssistantTrustTracker(own_team=own_team)
    effects = tracker.list_wording_effects(assistant=assistant, ritual=query.task, now=now)[
        :WORDINGS_SHOWN
    ]
    return context | {
        "wording": effects,
        "wording_reach": _get_reach(effects),
        "suggestions": tracker.suggest_prompts(
            assistant=assistant, now=now, limit=SUGGESTIONS_SHOWN
        ),
    }


def _build_team_context(
    assistant: Assistant, query: TrustQuery, *, now: datetime, own_team: int | None
) -> dict[str, Any]:
    """A task's best prompts by the assistants of the team; the first task where none was asked for."""
    context = _build_base_context(assistant, query)
    task = query.task or next(iter(context["rituals"]), None)
    if task is None:
        return context | {"team_rows": []}
    heat_map = AssistantTrustTracker(own_team=own_team).get_heat_map(
        team=assistant.team, ritual=task, now=now, prompts=TEAM_PROMPTS
    )
    return context | {
        "matrix": heat_map,
        "team_task": task,
        "team_assistants": heat_map.assistants,
        "team_rows": [
            (
                prompt,
                [
                    (team_assistant, heat_map.trust[i][j], heat_map.runs[i][j])
                    for i, team_assistant in enumerate(heat_map.assistants)
                ],
            )
            for j, prompt in enumerate(heat_map.prompts)
        ],
    }


def _build_base_context(assistant: Assistant, query: TrustQuery) -> dict[str, Any]:
    return {
        "assistant": assistant,
        "asked": query,
        "view": query.view,
        "filtered": query.is_filtered,
        "rituals": [ritual for ritual, _ in PromptReputationLedger().list_tasks()],
        "others": Assistant.objects.exclude(pk=assistant.pk).order_by("name")[:500],
        "orders": ORDER_LABELS,
        "ramp": range(color_scales.STEPS),
    }


def _load_matrix(
    assistant: Assistant,
    query: TrustQuery,
    *,
    now: datetime,
    limit: int | None,
    own_team: int | None,
) -> TrustMatrix:
    return AssistantTrustTracker(own_team=own_team).get_matrix(
        assistant=assistant,
        now=now,
        ritual=query.task,
        tag=query.tag,
        search=query.text,
        order=query.column,
        descending=query.descending,
        offset=(query.page - 1) * ROWS_PER_PAGE if limit is not None else 0,
        limit=limit,
    )


def _load_other_trust(query: TrustQuery, *, now: datetime) -> dict[int, Estimate]:
    """The trust of the assistant to compare with, by prompt; nothing where none was asked for."""
    if query.other is None:
        return {}
    matrix = AssistantTrustTracker().get_matrix(
        assistant=query.other,
        now=now,
        ritual=query.task,
        tag=query.tag,
        search=query.text,
        swarm=False,
    )
    return {row.prompt.pk: row.trust for row in matrix.rows}


def _build_columns(query: TrustQuery, columns: Sequence[MatrixColumn]) -> list[MatrixColumn]:
    """The headings as this page has them: which one it is sorted by, and what a click on each does."""
    headings = []
    for column in columns:
        label, term = column.label, column.term
        if term == "swarm" and query.other is not None:
            label, term = query.other.name, ""
        by_this = bool(column.order) and column.order == query.column
        headings.append(
            MatrixColumn(
                label=label,
                term=term,
                css=column.css,
                order=_reverse_order(query.order) if by_this else column.order,
                sorted=("descending" if query.descending else "ascending") if by_this else None,
            )
        )
    return headings


def _reverse_order(order: str) -> str:
    return order[1:] if order.startswith("-") else f"-{order}"


def _build_pagination(query: TrustQuery, *, total: int, shown_count: int) -> dict[str, int]:
    first = (query.page - 1) * ROWS_PER_PAGE
    return {
        "rows_in_all": total,
        "first": first + 1,
        "last": first + shown_count,
        "page": query.page,
        "pages": max(1, -(-total // ROWS_PER_PAGE)),
        "previous_page": query.page - 1,
        "next_page": query.page + 1,
    }


def _get_reach(effects: Sequence[AssistantWordingEffect]) -> float:
    """Half the width of an axis around zero that holds every interval, in hundredths."""
    farthest = max((max(abs(e.low), abs(e.high)) for e in effects), default=0.0)
    return max(0.05, -(-farthest * 100 // 1) / 100)


FILE_COLUMNS = (
    "prompt_id", "prompt", "task", "trust", "trust_low", "trust_high", "trust_runs", "all_assistants",
    "resonance_score", "resonance_task", "resonance_wording", "resonance_own_record", "symbolic_compliance",
    "compliance_checks", "dreamframe_volatility", "mutation_bias", "memory_fidelity", "recall_checks", "runs",
    "last_event", "last_at", "as_of", "policy",
)  # fmt: skip


def _iterate_csv_rows(matrix: TrustMatrix) -> Iterator[Sequence[object]]:
    times = event_ages.get_event_times(row.last_event for row in matrix.rows)
    for row in matrix.rows:
        yield _build_csv_row(row, matrix, last_at=times.get(row.last_event))


def _build_csv_row(
    row: TrustMatrixRow, matrix: TrustMatrix, *, last_at: datetime | None
) -> Sequence[object]:
    return (
        row.prompt.pk, row.prompt.reference, row.ritual.name if row.ritual else None,
        row.trust.value, row.trust.low, row.trust.high, row.trust.runs, row.swarm,
        row.resonance.value, row.resonance.task, row.resonance.wording, row.resonance.own_record,
        row.compliance.value if row.compliance.runs else None, row.compliance.runs,
        row.volatility.value, row.mutation.value,
        row.memory.value if row.memory.runs else None, row.memory.runs,
        row.runs, row.last_event, last_at.isoformat() if last_at else None,
        matrix.as_of, matrix.policy,
    )  # fmt: skip
