"""The start page: find prompts and assistants, see what is here and how it stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render

from mintmark.accounts.callers import Caller
from mintmark.registry import rituals
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.reputation.answers import Estimate
from mintmark.reputation.ledger import PromptReputationLedger
from mintmark.reputation.models import Standing
from mintmark.trust import projector

from . import ages, doors, parameters

PROMPTS_A_PAGE = 20
ASSISTANTS_SHOWN = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is searched for: words, a task, a tag, and where the list of prompts goes on."""

    text: str
    tag: str
    task: Ritual | None
    after: tuple[float, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A prompt in the list; `trust` and `last_at`, its newest evidence, are None where nothing was measured yet."""

    prompt: Prompt
    trust: Estimate | None
    last_at: datetime | None


@doors.page
def page(request: HttpRequest) -> HttpResponseBase:
    """`/`, and what it finds as a fragment while one types."""
    task = parameters.whole(request.GET, "task")
    asked = Asked(
        text=parameters.text(request.GET, "q"),
        tag=parameters.text(request.GET, "tag", longest=100),
        task=rituals.named(reference=str(task)) if task is not None else None,
        after=parameters.place(request.GET, "after"),
    )
    found = read(asked, caller=doors.caller(request))
    if request.headers.get("HX-Request") == "true":
        return render(request, "web/start.html#found", found)
    return render(request, "web/start.html", found | _overview())


def read(asked: Asked, *, caller: Caller) -> dict[str, Any]:
    """The prompts and assistants that fit, best first; prompts never measured come after those that were."""
    standings = PromptReputationLedger().standings(
        ritual=asked.task,
        text=asked.text,
        tag=asked.tag,
        after=asked.after,
        limit=PROMPTS_A_PAGE + 1,
    )
    shown = _measured(standings[:PROMPTS_A_PAGE])
    last = standings[PROMPTS_A_PAGE - 1] if len(standings) > PROMPTS_A_PAGE else None
    if last is None and asked.task is None:
        room = PROMPTS_A_PAGE - len(shown)
        shown += [Found(prompt=p, trust=None, last_at=None) for p in _unmeasured(asked)[:room]]
    assistants = _assistants(asked.text)
    return {
        "asked": asked,
        "prompts": shown,
        "more": f"{last.trust_bound!r}_{last.prompt_id}" if last is not None else None,
        "assistants": [
            (assistant, assistant.team_id in caller.team_ids)
            for assistant in assistants[:ASSISTANTS_SHOWN]
        ],
        "assistants_in_all": assistants.count(),
    }


def _measured(standings: Sequence[Standing]) -> list[Found]:
    times = ages.of_events(standing.event_id for standing in standings)
    return [
        Found(
            prompt=standing.prompt,
            trust=Estimate(
                value=standing.trust_score,
                low=standing.trust_low,
                high=standing.trust_high,
                runs=standing.runs,
            ),
            last_at=times[standing.event_id],
        )
        for standing in standings
    ]


def _unmeasured(asked: Asked) -> QuerySet[Prompt]:
    rows = Prompt.objects.filter(standing__isnull=True).order_by("-id")
    if asked.text:
        rows = rows.filter(
            Q(name__icontains=asked.text)
            | Q(title__icontains=asked.text)
            | Q(namespace__icontains=asked.text)
        )
    if asked.tag:
        rows = rows.filter(taggings__tag=asked.tag)
    return rows


def _assistants(text: str) -> QuerySet[Assistant]:
    rows = Assistant.objects.select_related("team").annotate(tried=Count("trust_map"))
    if text:
        rows = rows.filter(Q(name__icontains=text) | Q(model__icontains=text))
    return rows.order_by("name")


def _overview() -> dict[str, Any]:
    cursor = projector.cursor()
    return {
        "tasks": PromptReputationLedger().tasks(),
        "prompts_in_all": Prompt.objects.count(),
        "measured_in_all": Standing.objects.count(),
        "swarm": Assistant.objects.count(),
        "cursor": cursor,
    }
