"""PromptReputationLedger: a prompt's reputation, its components, and its history."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import numpy as np
from django.db.models import Count, Q, QuerySet

from mintmark.common import evidence_kinds
from mintmark.common.provenance import Provenance
from mintmark.evidence import claim_records, log
from mintmark.evidence.models import Event
from mintmark.projection import imported_reputation, policies
from mintmark.projection.lineage_cache import LineageCache
from mintmark.projection.prompt_models import CurrentPromptScore, Policy, PromptReputationScore
from mintmark.projection.prompt_rows import PromptStateRows
from mintmark.registry import prompts as registry_prompts
from mintmark.registry.models import Prompt, Ritual
from mintmark.scoring import prompt_readout
from mintmark.scoring.estimate import Estimate
from mintmark.scoring.prompt_state import SOURCES
from mintmark.scoring.reputation_constants import ReputationPolicy

from . import edit_effects, evidence_weight
from .results import (
    Contribution,
    EditGains,
    EvidenceRow,
    Lineage,
    LineageEdge,
    LineageNode,
    PromptReputation,
    RatingMeans,
    ReputationSummary,
    ScoreSnapshot,
    compute_shares,
)

Ints = np.ndarray[tuple[int], np.dtype[np.int64]]

_ON_RECORD = {Provenance.CLAIM, Provenance.VOUCHED}

SOURCE_LABELS = {
    "prior": "what an average prompt scores on this task",
    "outcome": "measured outcomes",
    "replay": "measured replays",
    "claim": "outcomes that teams claim",
    "word": "outcomes that nobody can check",
    "approval": "assistants' approvals",
    "rating": "people's ratings",
    "clipping": "kept within 0.001 to 0.999",
}


class PromptReputationLedger:
    """Reads reputations under a policy: the current one, unless another is given.

    As everybody sees them; or, with `own_team`, as this team does: what it reported counts in full, and what other
    teams report does not.
    """

    def __init__(self, policy: Policy | None = None, *, own_team: int | None = None) -> None:
        self._policy = policy
        self._own_team = own_team

    def get_reputation(self, *, prompt: Prompt, now: datetime) -> PromptReputation:
        """A prompt's reputation at `now`, with its components. A prompt without evidence has its parent's, or the
        prior."""
        policy, state_rows = self._load_state()
        position = int(state_rows.locate(_get_ids([prompt]), changes=False)[0])
        self._assume_home(state_rows, [prompt], [position])
        own = self._locate_own(state_rows, [prompt], np.array([position]))
        prompt_score = prompt_readout.compute_score(
            state_rows.policy,
            state_rows.build_state(),
            position,
            now_days=_to_epoch_days(now),
            own=own,
        )
        home = self._get_home(state_rows, position)
        current_score = (
            CurrentPromptScore.objects.filter(prompt=prompt).select_related("event").first()
        )
        rank, ranked = _get_rank(current_score)
        return PromptReputation(
            prompt=prompt,
            policy=policy.version,
            as_of=current_score.event_id if current_score else 0,
            as_of_time=current_score.event.recorded_at if current_score else None,
            home=home,
            trust=Estimate(
                value=prompt_score.trust_score,
                low=prompt_score.low,
                high=prompt_score.high,
                runs=prompt_score.n - prompt_score.kappa,
            ),
            bound=prompt_score.rank_bound,
            rank=rank,
            ranked=ranked,
            effectiveness=_build_estimate(prompt_score.ritual_effectiveness),
            approval=_build_estimate(prompt_score.assistant_approval),
            contributions=tuple(
                Contribution(
                    source=term.source,
                    label=SOURCE_LABELS[term.source],
                    amount=term.amount,
                    runs=term.weight,
                    counted=term.counted,
                    inherited=term.inherited,
                )
                for term in prompt_score.contributions
            ),
            rating=RatingMeans(
                raw=prompt_score.ratings_raw_mean,
                weighted=prompt_score.ratings_weighted_mean,
                count=int(prompt_score.ratings),
            ),
            rating_tags=current_score.rating_tags if current_score else {},
            inherited_from=_find_inherited_from(prompt) if current_score is None else None,
            imported=imported_reputation.get_prior(
                prompt=prompt, half_life_days=state_rows.policy.half_life_measured_days, now=now
            ),
        )

    def get_estimates(self, *, prompts: Sequence[Prompt], now: datetime) -> dict[int, Estimate]:
        """Trust scores of many prompts at `now`, by prompt id."""
        if not prompts:
            return {}
        _, state_rows = self._load_state()
        positions = state_rows.locate(_get_ids(prompts), changes=False)
        self._assume_home(state_rows, prompts, positions.tolist())
        own = self._locate_own(state_rows, prompts, positions)
        prompt_scores = prompt_readout.compute_scores(
            state_rows.policy,
            state_rows.build_state(),
            positions,
            now_days=_to_epoch_days(now),
            own=own,
        )
        return {
            prompt.pk: Estimate(
                value=float(prompt_scores.trust_score[i]),
                low=float(prompt_scores.low[i]),
                high=float(prompt_scores.high[i]),
                runs=float(prompt_scores.n[i] - prompt_scores.kappa[i]),
            )
            for i, prompt in enumerate(prompts)
        }

    def get_summaries(
        self, *, prompts: Sequence[Prompt], now: datetime
    ) -> dict[int, ReputationSummary]:
        """Summaries of the reputations of many prompts at `now`, by prompt id; each equal to `get_reputation`'s."""
        if not prompts:
            return {}
        _, state_rows = self._load_state()
        positions = state_rows.locate(_get_ids(prompts), changes=False)
        self._assume_home(state_rows, prompts, positions.tolist())
        own = self._locate_own(state_rows, prompts, positions)
        state = state_rows.build_state()
        prompt_scores = prompt_readout.compute_scores(
            state_rows.policy,
            state,
            positions,
            now_days=_to_epoch_days(now),
            own=own,
        )
        rituals = Ritual.objects.in_bulk(
            np.unique(homes := state_rows.get_homes(positions)).tolist()
        )
        return {
            prompt.pk: ReputationSummary(
                trust=Estimate(
                    value=float(prompt_scores.trust_score[i]),
                    low=float(prompt_scores.low[i]),
                    high=float(prompt_scores.high[i]),
                    runs=float(prompt_scores.n[i] - prompt_scores.kappa[i]),
                ),
                average=float(prompt_scores.prior[i]),
                home=rituals.get(int(homes[i])),
                counted=dict(
                    zip(SOURCES, state.prompts.counted[positions[i]].tolist(), strict=True)
                ),
                provenance=compute_shares(
                    dict(zip(SOURCES, prompt_scores.weights[i].tolist(), strict=True))
                ),
            )
            for i, prompt in enumerate(prompts)
        }

    def get_history(self, *, prompt: Prompt, limit: int = 500) -> list[ScoreSnapshot]:
        """A prompt's newest snapshots under the policy, oldest of them first."""
        policy = self._policy or policies.get_current()
        rows = (
            PromptReputationScore.objects.filter(prompt=prompt, policy=policy)
            .select_related("event")
            .order_by("-event__xid", "-event")[:limit]
        )
        return [
            ScoreSnapshot(
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

    def list_evidence(
        self,
        *,
        prompt: Prompt,
        before: int | None = None,
        limit: int = 50,
        kind: evidence_kinds.EvidenceKind | None = None,
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
        return _build_evidence_rows(_select_effects(events)[:limit])

    def get_event(self, *, event_id: int) -> EvidenceRow | None:
        """One event with its effect."""
        rows = _build_evidence_rows(_select_effects(Event.objects.filter(pk=event_id)))
        return rows[0] if rows else None

    def list_events(self, *, ids: Sequence[int]) -> list[EvidenceRow]:
        """These events with their effects, oldest first."""
        return _build_evidence_rows(
            _select_effects(Event.objects.filter(pk__in=ids)).order_by("id")
        )

    def get_lineage(self, *, prompt: Prompt, now: datetime, limit: int = 60) -> Lineage:
        """A prompt's family: itself, its ancestors and the nearest of its other relatives, with paired gains."""
        family = registry_prompts.list_family(prompt=prompt, limit=limit)
        trusts = self.get_estimates(prompts=family, now=now)
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
                for child, gain in edit_effects.compare_with_parents(
                    [c for c in family if c.parent_id in ids], own_team=self._own_team
                )
                if child.parent_id is not None
            ),
        )

    def get_edit_gains(self, *, prompt: Prompt) -> EditGains:
        """The gain of the edit from its parent to a prompt, over all assistants and for each of them."""
        return edit_effects.compare_edit(child=prompt, own_team=self._own_team)

    def list_scores(
        self,
        *,
        ritual: Ritual | None = None,
        text: str = "",
        tag: str = "",
        after: tuple[float, int] | None = None,
        limit: int = 50,
    ) -> list[CurrentPromptScore]:
        """Standings best first (by the lower 10% bound, then id), those after the key (bound, prompt id)."""
        rows = CurrentPromptScore.objects.select_related("prompt", "ritual", "prompt__team")
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

    def list_tasks(self) -> list[tuple[Ritual, int]]:
        """The tasks that have prompts with a standing, and how many each has."""
        counts = dict(
            CurrentPromptScore.objects.filter(ritual__isnull=False)
            .values("ritual")
            .annotate(n=Count("prompt"))
            .values_list("ritual", "n")
        )
        rituals = Ritual.objects.filter(pk__in=counts).order_by("name")
        return [(ritual, counts[ritual.pk]) for ritual in rituals]

    def _load_state(self) -> tuple[Policy, PromptStateRows]:
        policy = self._policy or policies.get_current()
        return policy, PromptStateRows(
            policy=ReputationPolicy.from_json(policy.reputation),
            lineage_cache=LineageCache(),
            stored=True,
        )

    def _locate_own(
        self, state_rows: PromptStateRows, prompts: Sequence[Prompt], positions: Ints
    ) -> prompt_readout.OwnRows | None:
        if self._own_team is None:
            return None
        return state_rows.locate_own(_get_ids(prompts), positions, team=self._own_team)

    def _get_home(self, state_rows: PromptStateRows, position: int) -> Ritual | None:
        task = state_rows.get_home(position)
        return Ritual.objects.get(pk=task) if task is not None else None

    def _assume_home(
        self, state_rows: PromptStateRows, prompts: Sequence[Prompt], positions: Sequence[int]
    ) -> None:
        """Where no evidence has set the home of a prompt yet, read it from the prompt's `task:` tag."""
        state = state_rows.build_state().prompts
        unknown = [
            (prompt, at)
            for prompt, at in zip(prompts, positions, strict=True)
            if state.home[at] < 0 and not (state.started[at] and state.counted[at].any())
        ]
        if not unknown:
            return
        tags = {tag for prompt, _ in unknown for tag in prompt.tags if tag.startswith("task:")}
        by_tag = dict(Ritual.objects.filter(tag__in=tags).order_by("-id").values_list("tag", "id"))
        index_by_task = {task: at for at, task in enumerate(state_rows.task_ids)}
        for prompt, at in unknown:
            for tag in prompt.tags:
                task = state_rows.get_tasks(np.array([by_tag.get(tag, -1)], dtype=np.int64))[0]
                if task in index_by_task:
                    state.home[at] = index_by_task[int(task)]
                    break


def _build_estimate(estimate: prompt_readout.ScoreEstimate) -> Estimate:
    return Estimate(value=estimate.mean, low=estimate.low, high=estimate.high, runs=estimate.weight)


def _get_rank(current_score: CurrentPromptScore | None) -> tuple[int | None, int]:
    if current_score is None or current_score.ritual_id is None:
        return None, 0
    peers = CurrentPromptScore.objects.filter(ritual=current_score.ritual_id)
    better = peers.filter(trust_bound__gt=current_score.trust_bound).count()
    return better + 1, peers.count()


def _find_inherited_from(prompt: Prompt) -> Prompt | None:
    """The nearest ancestor with evidence or an imported reputation; None where the prompt has one itself."""
    if imported_reputation.has_prior(prompt=prompt):
        return None
    ancestor = prompt.parent
    for _ in range(1000):
        if (
            ancestor is None
            or CurrentPromptScore.objects.filter(prompt=ancestor).exists()
            or imported_reputation.has_prior(prompt=ancestor)
        ):
            return ancestor
        ancestor = ancestor.parent
    return None


def _select_effects(events: QuerySet[Event]) -> QuerySet[Event]:
    return events.select_related("assistant", "actor", "ritual", "effect").order_by("-id")


def _build_evidence_rows(events: Iterable[Event]) -> list[EvidenceRow]:
    rows = list(events)
    teams = {event.cohort for event in rows if event.provenance == Provenance.CLAIM}
    verdicts = claim_records.count_verdicts(team_ids=teams) if teams else {}
    return [_build_evidence_row(event, verdicts.get(event.cohort)) for event in rows]


def _build_evidence_row(event: Event, verdicts: claim_records.VerdictCounts | None) -> EvidenceRow:
    effect = getattr(event, "effect", None)
    trust_change = None
    if effect is not None and effect.trust_after is not None and effect.trust_before is not None:
        trust_change = effect.trust_after - effect.trust_before
    kind = evidence_kinds.EvidenceKind(event.kind)
    provenance = Provenance.WORD if event.provenance is None else Provenance(event.provenance)
    return EvidenceRow(
        event=event.pk,
        kind=kind.name.lower(),
        assistant=event.assistant.name if event.assistant else None,
        assistant_id=event.assistant_id,
        actor=event.actor.name,
        ritual=str(event.ritual) if event.ritual else None,
        score=event.score,
        runs=event.runs,
        expected=effect.expected if effect is not None else None,
        moved=trust_change,
        occurred_at=event.occurred_at,
        note=event.note,
        tags=event.tags,
        admissible=event.admissible,
        provenance=provenance.name.lower(),
        counts=evidence_weight.explain_weight(
            kind=kind,
            provenance=provenance,
            is_admissible=event.admissible,
            weight=effect.weight if effect is not None else None,
            runs=event.runs,
            actor=event.actor.name,
            verdicts=verdicts,
        ),
        reporter_team_id=event.cohort if provenance in _ON_RECORD and event.cohort else None,
    )


def _get_ids(prompts: Sequence[Prompt]) -> Ints:
    return np.array([prompt.pk for prompt in prompts], dtype=np.int64)


def _to_epoch_days(now: datetime) -> float:
    return float(log.to_epoch_days([now])[0])
