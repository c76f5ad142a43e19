"""The start page: find prompts and assistants, see what is here and how it stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render

from mintmark.accounts.callers import Caller
from mintmark.projection import projector
from mintmark.projection.prompt_models import CurrentPromptScore
from mintmark.registry import rituals
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.reputation.ledger import PromptReputationLedger
from mintmark.scoring.estimate import Estimate

from . import decorators, query_params
from .scores import event_ages

PROMPTS_PER_PAGE = 20
ASSISTANTS_SHOWN = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeQuery:
    """What is searched for: words, a task, a tag, and where the list of prompts goes on."""

    text: str
    tag: str
    task: Ritual | None
    after: tuple[float, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HomePromptRow:
    """A prompt in the list; `trust` and `last_at`, its newest evidence, are None where nothing was measured yet."""

    prompt: Prompt
    trust: Estimate | None
    last_at: datetime | None


@decorators.get_view
def show_home(request: HttpRequest) -> HttpResponseBase:
    """`/`, and what it finds as a fragment while one types."""
    task = query_params.parse_integer(request.GET, "task")
    query = HomeQuery(
        text=query_params.parse_text(request.GET, "q"),
        tag=query_params.parse_text(request.GET, "tag", max_length=100),
        task=rituals.resolve(reference=str(task)) if task is not None else None,
        after=query_params.parse_score_page_token(request.GET, "after"),
    )
    context = build_context(query, caller=decorators.get_caller(request))
    if request.headers.get("HX-Request") == "true":
        return render(request, "web/start.html#found", context)
    return render(request, "web/start.html", context | _build_overview())


def build_context(query: HomeQuery, *, caller: Caller) -> dict[str, Any]:
    """The prompts and assistants that fit, best first; prompts never measured come after those that were."""
    scores = PromptReputationLedger().list_scores(
        ritual=query.task,
        text=query.text,
        tag=query.tag,
        after=query.after,
        limit=PROMPTS_PER_PAGE + 1,
    )
    prompt_rows = _build_measured_rows(scores[:PROMPTS_PER_PAGE])
    last = scores[PROMPTS_PER_PAGE - 1] if len(scores) > PROMPTS_PER_PAGE else None
    if last is None and query.task is None:
        room = PROMPTS_PER_PAGE - len(prompt_rows)
        prompt_rows += [
            HomePromptRow(prompt=p, trust=None, last_at=None)
            for p in _query_unmeasured(query)[:room]
        ]
    assistants = _query_assistants(query.text)
    return {
        "asked": query,
        "prompts": prompt_rows,
        "more": f"{last.trust_bound!r}_{last.prompt_id}" if last is not None else None,
        "assistants": [
            (assistant, assistant.team_id in caller.team_ids)
            for assistant in assistants[:ASSISTANTS_SHOWN]
        ],
        "assistants_in_all": assistants.count(),
    }


def _build_measured_rows(scores: Sequence[CurrentPromptScore]) -> list[HomePromptRow]:
    times = event_ages.get_event_times(score.event_id for score in scores)
    return [
        HomePromptRow(
            prompt=score.prompt,
            trust=Estimate(
                value=score.trust_score,
                low=score.trust_low,
                high=score.trust_high,
                runs=score.runs,
            ),
            last_at=times[score.event_id],
        )
        for score in scores
    ]


def _query_unmeasured(query: HomeQuery) -> QuerySet[Prompt]:
    rows = Prompt.objects.filter(standing__isnull=True).order_by("-id")
    if query.text:
        rows = rows.filter(
            Q(name__icontains=query.text)
            | Q(title__icontains=query.text)
            | Q(namespace__icontains=query.text)
        )
    if query.tag:
        rows = rows.filter(taggings__tag=query.tag)
    return rows


def _query_assistants(text: str) -> QuerySet[Assistant]:
    rows = Assistant.objects.select_related("team").annotate(tried=Count("trust_map"))
    if text:
        rows = rows.filter(Q(name__icontains=text) | Q(model__icontains=text))
    return rows.order_by("name")


def _build_overview() -> dict[str, Any]:
    checkpoint = projector.get_checkpoint()
    return {
        "tasks": PromptReputationLedger().list_tasks(),
        "prompts_in_all": Prompt.objects.count(),
        "measured_in_all": CurrentPromptScore.objects.count(),
        "swarm": Assistant.objects.count(),
        "cursor": checkpoint,
    }
