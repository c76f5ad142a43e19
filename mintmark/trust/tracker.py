"""AssistantTrustTracker: which prompts an assistant can trust, how far, and why."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from django.db.models import Q, QuerySet

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Team
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.reputation.answers import Estimate
from mintmark.reputation.ledger import PromptReputationLedger
from mintmark.reputation.models import Policy

from . import affinity, foresight
from .answers import (
    Affinity,
    AssistantTrust,
    Foresight,
    HeatMap,
    Matrix,
    MatrixRow,
    PairExplanation,
    Ranking,
    Suggestion,
    TrackRecord,
    WordingEffect,
)
from .models import AssistantPromptTrustMap
from .view import View

ORDERS = (
    "trust_low", "trust", "resonance", "compliance", "volatility", "mutation", "memory", "runs", "name",
)  # fmt: skip
RANKING_ORDERS: Mapping[str, Callable[[Estimate], float]] = {
    "trust_low": lambda trust: trust.low,
    "trust": lambda trust: trust.value,
    "trust_high": lambda trust: trust.high,
}


class AssistantTrustTracker:
    """Reads trust maps under a policy: the one in force, unless another is given."""

    def __init__(self, policy: Policy | None = None) -> None:
        self._given = policy

    def matrix(
        self,
        *,
        assistant: Assistant,
        now: datetime,
        ritual: Ritual | None = None,
        tag: str = "",
        search: str = "",
        order: str = "trust_low",
        descending: bool = True,
        offset: int = 0,
        limit: int | None = None,
        swarm: bool = True,
    ) -> Matrix:
        """The prompts that an assistant has evidence on, ordered by one of `ORDERS`, a page of them."""
        tried = _tried(assistant=assistant, ritual=ritual, tag=tag, search=search)
        maps = list(tried)
        view = self._view()
        rows = view.rows(assistant=assistant, prompts=[m.prompt for m in maps], maps=maps, now=now)
        rows.sort(key=lambda row: (row.prompt.reference, row.prompt.pk))
        rows.sort(key=lambda row: _sort_key(row, order), reverse=descending)
        # What was never observed comes last either way.
        rows.sort(key=lambda row: _sort_key(row, order) == _UNKNOWN)
        page = rows[offset : offset + limit if limit is not None else None]
        if swarm:
            page = view.with_swarm(page, now=now)
        return Matrix(
            assistant=assistant,
            rows=tuple(page),
            total=len(rows),
            as_of=view.as_of,
            policy=view.policy,
        )

    def explain(self, *, assistant: Assistant, prompt: Prompt, now: datetime) -> PairExplanation:
        """One pairing, tried or not, with its newest events and the checks that it failed."""
        view = self._view()
        maps = AssistantPromptTrustMap.objects.filter(assistant=assistant, prompt=prompt)
        row = view.rows(assistant=assistant, prompts=[prompt], maps=list(maps), now=now)[0]
        row = view.with_swarm([row], now=now)[0]
        events = PromptReputationLedger().evidence(
            prompt=prompt, assistant_id=assistant.pk, limit=200
        )
        return PairExplanation(
            row=row,
            baseline=view.baseline(assistant=assistant, prompt=prompt, now=now),
            events=tuple(events[:20]),
            failed_checks=tuple(e for e in events if e.kind == "clause" and e.score < 1.0)[:20],
            as_of=view.as_of,
            policy=view.policy,
        )

    def affinity(self, *, caller: Caller, assistant: Assistant, prompt: Prompt) -> Affinity | None:
        """How like a prompt is to what an assistant remembers; None for a caller who may not read both."""
        return affinity.of(caller=caller, assistant=assistant, prompt=prompt)

    def assistants_of(
        self, *, prompt: Prompt, now: datetime, caller: Caller
    ) -> list[AssistantTrust]:
        """How every assistant stands with a prompt, those that tried it and those that did not; best first."""
        view = self._view()
        assistants = view.measured_assistants()
        trust, runs = view.grid(assistants=assistants, prompts=[prompt], now=now)
        found = [
            AssistantTrust(
                assistant=assistant,
                trust=Estimate(
                    value=float(trust.trust[i]),
                    low=float(trust.low[i]),
                    high=float(trust.high[i]),
                    runs=float(runs[i, 0]),
                ),
                mine=assistant.team_id in caller.team_ids,
            )
            for i, assistant in enumerate(assistants)
        ]
        return sorted(found, key=lambda one: (-one.trust.value, one.assistant.name))

    def estimates(
        self, *, assistant: Assistant, prompts: Sequence[Prompt], now: datetime
    ) -> dict[int, Estimate]:
        """How far an assistant can trust each of many prompts, tried or not, by prompt id."""
        if not prompts:
            return {}
        trust, runs = self._view().grid(assistants=[assistant], prompts=prompts, now=now)
        return {
            prompt.pk: Estimate(
                value=float(trust.trust[j]),
                low=float(trust.low[j]),
                high=float(trust.high[j]),
                runs=float(runs[0, j]),
            )
            for j, prompt in enumerate(prompts)
        }

    def wording(
        self, *, assistant: Assistant, now: datetime, ritual: Ritual | None = None
    ) -> list[WordingEffect]:
        """What wording works for an assistant, the surest effects first."""
        view = self._view()
        tried = [m.prompt for m in _tried(assistant=assistant, ritual=ritual)]
        return view.wording(assistant=assistant, ritual=ritual, tried=tried, now=now)

    def suggestions(
        self, *, assistant: Assistant, now: datetime, limit: int = 3
    ) -> list[Suggestion]:
        """Prompts that this assistant never tried, those most likely to beat its best first."""
        return self._view().suggestions(assistant=assistant, now=now, limit=limit)

    def ranking(
        self,
        *,
        assistant: Assistant,
        tasks: Sequence[Ritual],
        usable: QuerySet[Prompt],
        now: datetime,
        order: str = "trust_low",
        limit: int = 20,
    ) -> Ranking:
        """The `usable` prompts of these tasks, tried or not, by one of `RANKING_ORDERS`."""
        return self._view().ranking(
            assistant=assistant,
            tasks=tasks,
            usable=usable,
            now=now,
            order=RANKING_ORDERS[order],
            limit=limit,
        )

    def foresee(
        self,
        *,
        text: str,
        parent: Prompt,
        assistants: Sequence[Assistant],
        now: datetime,
        ritual: Ritual | None = None,
    ) -> Foresight:
        """What trust an edit of `parent` would have with each assistant, before it is registered or run.

        For the parent's own task unless a ritual is given. Writes nothing. Raises `prompts.InvalidPrompt` where the
        text is empty or too long. Whether the caller may read the parent's text is for the caller to ask: the answer
        tells features of it.
        """
        return foresight.foresee(
            view=self._view(),
            text=text,
            parent=parent,
            assistants=assistants,
            ritual=ritual,
            now=now,
        )

    def track_record(self) -> TrackRecord | None:
        """How well such predictions have held here: the newest prompts by their first scores; None if too few."""
        return foresight.track_record()

    def heat_map(
        self, *, team: Team | None, ritual: Ritual, now: datetime, prompts: int = 40
    ) -> HeatMap:
        """A team's assistants (all measured ones without a team) by a task's best-standing prompts."""
        view = self._view()
        assistants = [a for a in view.measured_assistants() if team is None or a.team_id == team.pk]
        best = [s.prompt for s in PromptReputationLedger().standings(ritual=ritual, limit=prompts)]
        trust, runs = view.grid(assistants=assistants, prompts=best, now=now)
        shape = (len(assistants), len(best))
        return HeatMap(
            assistants=tuple(assistants),
            prompts=tuple(best),
            trust=tuple(tuple(row) for row in trust.trust.reshape(shape).tolist()),
            runs=tuple(tuple(row) for row in runs.tolist()),
            ritual=ritual,
            as_of=view.as_of,
            policy=view.policy,
        )

    def _view(self) -> View:
        return View(given=self._given)


# Sorts below every measure; rows that have it are put last.
_UNKNOWN = -1e9


def _sort_key(row: MatrixRow, order: str) -> float | str:
    keys: dict[str, float | str | None] = {
        "trust_low": row.trust.low,
        "trust": row.trust.value,
        "resonance": row.resonance.value,
        "compliance": row.compliance.value if row.compliance.runs else None,
        "volatility": row.volatility.value,
        "mutation": row.mutation.value,
        "memory": row.memory.value if row.memory.runs else None,
        "runs": row.runs,
        "name": row.prompt.reference,
    }
    found = keys[order]
    return _UNKNOWN if found is None else found


def _tried(
    *, assistant: Assistant, ritual: Ritual | None = None, tag: str = "", search: str = ""
) -> QuerySet[AssistantPromptTrustMap]:
    tried = AssistantPromptTrustMap.objects.filter(assistant=assistant).select_related(
        "prompt", "prompt__team"
    )
    if ritual is not None:
        tried = tried.filter(prompt__standing__ritual=ritual)
    if tag:
        tried = tried.filter(prompt__taggings__tag=tag)
    if search:
        tried = tried.filter(
            Q(prompt__name__icontains=search)
            | Q(prompt__namespace__icontains=search)
            | Q(prompt__title__icontains=search)
        )
    return tried
