"""PromptReputationLedger: what a prompt's reputation is, where it comes from, and how it got there."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from django.db.models import Count, Q, QuerySet

from mintmark.core import kinds, scores
from mintmark.core.reputation_policy import ReputationPolicy
from mintmark.core.reputation_state import SOURCES
from mintmark.evidence import log
from mintmark.evidence.models import Event
from mintmark.registry import prompts as registry_prompts
from mintmark.registry.ancestry import Ancestry
from mintmark.registry.models import Prompt, Ritual

from . import foreign, gains, policies
from .answers import (
    Contribution,
    EditGains,
    Estimate,
    EvidenceRow,
    Lineage,
    LineageEdge,
    LineageNode,
    RatingMeans,
    Reputation,
    Snapshot,
    Summary,
)
from .models import LiveRating, Policy, PromptReputationScore, Standing
from .records import Records

LABELS = {
    "prior": "what an average prompt scores on this task",
    "outcome": "measured outcomes",
    "replay": "measured replays",
    "approval": "assistants' approvals",
    "rating": "people's ratings",
    "clipping": "kept within 0.001 to 0.999",
}


class PromptReputationLedger:
    """Reads reputations under a policy: the one in force, unless another is given."""

    def __init__(self, policy: Policy | None = None) -> None:
        self._given = policy

    def reputation(self, *, prompt: Prompt, now: datetime) -> Reputation:
        """A prompt's reputation at `now`, taken apart. A prompt without evidence has its parent's, or the prior."""
        policy, records = self._open()
        position = int(records.locate(_ids([prompt]), changes=False)[0])
        self._assume_home(records, [prompt], [position])
        told = scores.score(records.policy, records.state(), position, now_days=_days(now))
        home = self._home(records, position)
        standing = Standing.objects.filter(prompt=prompt).select_related("event").first()
        rank, ranked = _rank(standing)
        return Reputation(
            prompt=prompt,
            policy=policy.version,
            as_of=standing.event_id if standing else 0,
            as_of_time=standing.event.recorded_at if standing else None,
            home=home,
            trust=Estimate(
                value=told.trust_score, low=told.low, high=told.high, runs=told.n - told.kappa
            ),
            bound=told.rank_bound,
            rank=rank,
            ranked=ranked,
            effectiveness=_estimate(told.ritual_effectiveness),
            approval=_estimate(told.assistant_approval),
            contributions=tuple(
                Contribution(
                    source=term.source,
                    label=LABELS[term.source],
                    amount=term.amount,
                    runs=term.weight,
                    counted=term.counted,
                    inherited=term.inherited,
                )
                for term in told.contributions
            ),
            rating=RatingMeans(
                raw=told.ratings_raw_mean,
                weighted=told.ratings_weighted_mean,
                count=int(told.ratings),
            ),
            rating_tags=standing.rating_tags if standing else {},
            inherited_from=_inherited_from(prompt) if standing is None else None,
            foreign=foreign.of(
                prompt=prompt, half_life_days=records.policy.half_life_measured_days, now=now
            ),
        )

    def estimates(self, *, prompts: Sequence[Prompt], now: datetime) -> dict[int, Estimate]:
        """Trust scores of many prompts at `now`, by prompt id."""
        if not prompts:
            return {}
        _, records = self._open()
        at = records.locate(_ids(prompts), changes=False)
        self._assume_home(records, prompts, at.tolist())
        told = scores.scores(records.policy, records.state(), at, now_days=_days(now))
        return {
            prompt.pk: Estimate(
                value=float(told.trust_score[i]),
                low=float(told.low[i]),
                high=float(told.high[i]),
                runs=float(told.n[i] - told.kappa[i]),
            )
            for i, prompt in enumerate(prompts)
        }

    def summaries(self, *, prompts: Sequence[Prompt], now: datetime) -> dict[int, Summary]:
        """The reputations of many prompts at `now` in short, by prompt id; each as `reputation` has it."""
        if not prompts:
            return {}
        _, records = self._open()
        at = records.locate(_ids(prompts), changes=False)
        self._assume_home(records, prompts, at.tolist())
        state = records.state()
        told = scores.scores(records.policy, state, at, now_days=_days(now))
        rituals = Ritual.objects.in_bulk(np.unique(homes := records.homes(at)).tolist())
        return {
            prompt.pk: Summary(
                trust=Estimate(
                    value=float(told.trust_score[i]),
                    low=float(told.low[i]),
                    high=float(told.high[i]),
                    runs=float(told.n[i] - told.kappa[i]),
                ),
                average=float(told.prior[i]),
                home=rituals.get(int(homes[i])),
                counted=dict(zip(SOURCES, state.prompts.counted[at[i]].tolist(), strict=True)),
            )
            for i, prompt in enumerate(prompts)
        }

    def history(self, *, prompt: Prompt, limit: int = 500) -> list[Snapshot]:
        """A prompt's newest snapshots under the policy, oldest of them first."""
        policy = self._given or policies.in_force()
        rows = (
            PromptReputationScore.objects.filter(prompt=prompt, policy=policy)
            .select_related("event")
            .order_by("-event__xid", "-event")[:limit]
        )
        return [
            Snapshot(
                at=row.event.occurred_at,
                trust=row.trust_score,
                low=row.trust_low,
                high=row.trust_high,
                effectiveness=row.ritual_effectiveness,
                approval=row.assistant_approval,
                event=row.event_id,
                policy=row.policy_id,
            )
            for row in reversed(rows)
        ]

    def evidence(
        self,
        *,
        prompt: Prompt,
        before: int | None = None,
        limit: int = 50,
        kind: kinds.Kind | None = None,
        assistant_id: int | None = None,
    ) -> list[EvidenceRow]:
        """A prompt's events, newest first, those with an id below `before`."""
        events = Event.objects.filter(prompt=prompt)
        if before is not None:
            events = events.filter(pk__lt=before)
        if kind is not None:
            events = events.filter(kind=kind)
        if assistant_id is not None:
            events = events.filter(assistant=assistant_id)
        return [_evidence_row(event) for event in _with_effects(events)[:limit]]

    def event(self, *, event_id: int) -> EvidenceRow | None:
        """One event with its effect."""
        found = _with_effects(Event.objects.filter(pk=event_id)).first()
        return _evidence_row(found) if found is not None else None

    def events(self, *, ids: Sequence[int]) -> list[EvidenceRow]:
        """These events with their effects, oldest first."""
        found = _with_effects(Event.objects.filter(pk__in=ids)).order_by("id")
        return [_evidence_row(event) for event in found]

    def lineage(self, *, prompt: Prompt, now: datetime, limit: int = 60) -> Lineage:
        """A prompt's family: itself, its ancestors and the nearest of its other relatives, with paired gains."""
        family = registry_prompts.lineage(prompt=prompt, limit=limit)
        trusts = self.estimates(prompts=family, now=now)
        ids = {relative.pk for relative in family}
        return Lineage(
            nodes=tuple(
                LineageNode(
                    prompt=relative, trust=trusts[relative.pk], is_self=relative.pk == prompt.pk
                )
                for relative in family
            ),
            edges=tuple(
                LineageEdge(
                    parent=child.parent_id,
                    child=child.pk,
                    derivation=child.derivation,
                    note=child.mutation_note,
                    gain=gain,
                )
                for child, gain in gains.over_parents([c for c in family if c.parent_id in ids])
                if child.parent_id is not None
            ),
        )

    def gains(self, *, prompt: Prompt) -> EditGains:
        """What the edit from its parent to a prompt gained or cost, over all assistants and each of them."""
        return gains.of(child=prompt)

    def standings(
        self,
        *,
        ritual: Ritual | None = None,
        text: str = "",
        tag: str = "",
        after: tuple[float, int] | None = None,
        limit: int = 50,
    ) -> list[Standing]:
        """Standings best first (by the lower 10% bound, then id), those after the key (bound, prompt id)."""
        rows = Standing.objects.select_related("prompt", "ritual", "prompt__team")
        if ritual is not None:
            rows = rows.filter(ritual=ritual)
        if text:
            rows = rows.filter(
                Q(prompt__name__icontains=text)
                | Q(prompt__title__icontains=text)
                | Q(prompt__namespace__icontains=text)
            )
        if tag:
            rows = rows.filter(prompt__taggings__tag=tag)
        if after is not None:
            bound, pk = after
            rows = rows.filter(Q(trust_bound__lt=bound) | Q(trust_bound=bound, prompt__gt=pk))
        return list(rows.order_by("-trust_bound", "prompt")[:limit])

    def tasks(self) -> list[tuple[Ritual, int]]:
        """The tasks that have prompts with a standing, and how many each."""
        counts = dict(
            Standing.objects.filter(ritual__isnull=False)
            .values("ritual")
            .annotate(n=Count("prompt"))
            .values_list("ritual", "n")
        )
        rituals = Ritual.objects.filter(pk__in=counts).order_by("name")
        return [(ritual, counts[ritual.pk]) for ritual in rituals]

    def live_ratings(self, *, prompt: Prompt) -> QuerySet[LiveRating]:
        """The ratings of a prompt that count, one a rater."""
        return LiveRating.objects.filter(prompt=prompt).select_related("rater")

    def _open(self) -> tuple[Policy, Records]:
        policy = self._given or policies.in_force()
        return policy, Records(
            policy=ReputationPolicy.from_json(policy.reputation), ancestry=Ancestry(), stored=True
        )

    def _home(self, records: Records, position: int) -> Ritual | None:
        task = records.home(position)
        return Ritual.objects.get(pk=task) if task is not None else None

    def _assume_home(
        self, records: Records, prompts: Sequence[Prompt], positions: Sequence[int]
    ) -> None:
        """Where no evidence has given a prompt its home yet, read it from the prompt's `task:` tag."""
        state = records.state().prompts
        unknown = [
            (prompt, at)
            for prompt, at in zip(prompts, positions, strict=True)
            if state.home[at] < 0 and not (state.started[at] and state.counted[at].any())
        ]
        if not unknown:
            return
        tags = {tag for prompt, _ in unknown for tag in prompt.tags if tag.startswith("task:")}
        by_tag = dict(Ritual.objects.filter(tag__in=tags).order_by("-id").values_list("tag", "id"))
        place = {task: at for at, task in enumerate(records.task_ids)}
        for prompt, at in unknown:
            for tag in prompt.tags:
                task = records.task(np.array([by_tag.get(tag, -1)], dtype=np.int64))[0]
                if task in place:
                    state.home[at] = place[int(task)]
                    break


def _estimate(told: scores.Estimate) -> Estimate:
    return Estimate(value=told.mean, low=told.low, high=told.high, runs=told.weight)


def _rank(standing: Standing | None) -> tuple[int | None, int]:
    if standing is None or standing.ritual_id is None:
        return None, 0
    peers = Standing.objects.filter(ritual=standing.ritual_id)
    better = peers.filter(trust_bound__gt=standing.trust_bound).count()
    return better + 1, peers.count()


def _inherited_from(prompt: Prompt) -> Prompt | None:
    """The nearest ancestor with evidence or with a reputation from elsewhere; None where the prompt has one itself."""
    if foreign.counts(prompt=prompt):
        return None
    at = prompt.parent
    for _ in range(1000):
        if at is None or Standing.objects.filter(prompt=at).exists() or foreign.counts(prompt=at):
            return at
        at = at.parent
    return None


def _with_effects(events: QuerySet[Event]) -> QuerySet[Event]:
    return events.select_related("assistant", "actor", "ritual", "effect").order_by("-id")


def _evidence_row(event: Event) -> EvidenceRow:
    effect = getattr(event, "effect", None)
    moved = None
    if effect is not None and effect.trust_after is not None and effect.trust_before is not None:
        moved = effect.trust_after - effect.trust_before
    return EvidenceRow(
        event=event.pk,
        kind=kinds.Kind(event.kind).name.lower(),
        assistant=event.assistant.name if event.assistant else None,
        assistant_id=event.assistant_id,
        actor=event.actor.name,
        ritual=str(event.ritual) if event.ritual else None,
        score=event.score,
        runs=event.runs,
        expected=effect.expected if effect is not None else None,
        moved=moved,
        occurred_at=event.occurred_at,
        note=event.note,
        tags=event.tags,
        admissible=event.admissible,
    )


def _ids(prompts: Sequence[Prompt]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([prompt.pk for prompt in prompts], dtype=np.int64)


def _days(now: datetime) -> float:
    return float(log.days([now])[0])
