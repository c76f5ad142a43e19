"""AssistantTrustTracker: which prompts an assistant can trust, how far, and why."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from django.db.models import Q, QuerySet

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Team
from mintmark.projection.pair_models import AssistantPromptTrustMap
from mintmark.projection.prompt_models import Policy
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.reputation.ledger import PromptReputationLedger
from mintmark.scoring.estimate import Estimate

from . import affinity, claim_provenance, edit_prediction, pair_records
from .results import (
    Affinity,
    AssistantTrust,
    AssistantWordingEffect,
    Foresight,
    HeatMap,
    PairExplanation,
    Ranking,
    Suggestion,
    TrackRecord,
    TrustMatrix,
    TrustMatrixRow,
)
from .scoring_view import ScoringView

ORDERS = (
    "trust_low", "trust", "resonance", "compliance", "volatility", "mutation", "memory", "runs", "name",
)  # fmt: skip
RANKING_ORDERS: Mapping[str, Callable[[Estimate], float]] = {
    "trust_low": lambda trust: trust.low,
    "trust": lambda trust: trust.value,
    "trust_high": lambda trust: trust.high,
}


class AssistantTrustTracker:
    """Reads trust maps under a policy: the current one, unless another is given.

    As everybody sees them, from what was executed; or, with `own_team`, as this team sees its own assistants: with all
    that it reported, in full.
    """

    def __init__(self, policy: Policy | None = None, *, own_team: int | None = None) -> None:
        self._policy = policy
        self._own_team = own_team

    def get_matrix(
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
    ) -> TrustMatrix:
        """The prompts that an assistant has evidence on, ordered by one of `ORDERS`, a page of them.

        Each is told on its home task; with a ritual, those alone whose home it is.
        """
        records = pair_records.load(
            _list_tried(assistant=assistant, ritual=ritual, tag=tag, search=search)
        )
        prompts = [record.trust_map.prompt for record in records]
        view = self._load_view()
        tasks = view.choose_tasks(prompts, None)
        rows = view.build_rows(
            assistant=assistant, prompts=prompts, tasks=tasks, records=records, now=now
        )
        rows.sort(key=lambda row: (row.prompt.reference, row.prompt.pk))
        rows.sort(key=lambda row: _get_sort_key(row, order), reverse=descending)
        # Measures without any observation come last in either order.
        rows.sort(key=lambda row: _get_sort_key(row, order) == _UNKNOWN)
        page = rows[offset : offset + limit if limit is not None else None]
        if swarm:
            page = ScoringView(requested_policy=self._policy).add_swarm(page, tasks=tasks, now=now)
        return TrustMatrix(
            assistant=assistant,
            rows=tuple(page),
            total=len(rows),
            as_of=view.as_of,
            policy=view.policy,
        )

    def explain(
        self,
        *,
        assistant: Assistant,
        prompt: Prompt,
        now: datetime,
        ritual: Ritual | None = None,
    ) -> PairExplanation:
        """Explain one pair, tried or not, with its newest events and its failed checks.

        On the task of the ritual, or else on the prompt's home.
        """
        view = self._load_view()
        tasks = view.choose_tasks([prompt], ritual)
        records = pair_records.load(
            AssistantPromptTrustMap.objects.filter(assistant=assistant, prompt=prompt)
        )
        row = view.build_rows(
            assistant=assistant, prompts=[prompt], tasks=tasks, records=records, now=now
        )[0]
        row = ScoringView(requested_policy=self._policy).add_swarm([row], tasks=tasks, now=now)[0]
        if ritual is not None:
            row = replace(row, ritual=ritual)
        events = PromptReputationLedger().list_evidence(
            prompt=prompt, assistant_id=assistant.pk, limit=200
        )
        return PairExplanation(
            row=row,
            baseline=view.predict_baseline(
                assistant=assistant, prompt=prompt, task=tasks[prompt.pk], now=now
            ),
            events=tuple(events[:20]),
            failed_checks=tuple(e for e in events if e.kind == "clause" and e.score < 1.0)[:20],
            runs=claim_provenance.count_runs(assistant=assistant, prompt=prompt),
            as_of=view.as_of,
            policy=view.policy,
        )

    def measure_affinity(
        self, *, caller: Caller, assistant: Assistant, prompt: Prompt
    ) -> Affinity | None:
        """How similar a prompt is to an assistant's memory; None for a caller who may not read both."""
        return affinity.measure_affinity(caller=caller, assistant=assistant, prompt=prompt)

    def list_assistants(
        self, *, prompt: Prompt, now: datetime, caller: Caller, ritual: Ritual | None = None
    ) -> list[AssistantTrust]:
        """The trust of every assistant in a prompt, whether it tried the prompt or not; best first.

        On the task of the ritual, or else on the prompt's home.
        """
        view = self._load_view()
        assistants = view.list_measured_assistants()
        readouts = view.read_grid(
            assistants=assistants,
            prompts=[prompt],
            tasks=view.choose_tasks([prompt], ritual),
            now=now,
        )
        assistant_trusts = [
            AssistantTrust(
                assistant=assistant,
                trust=readouts.build_estimate(i),
                is_own=assistant.team_id in caller.team_ids,
            )
            for i, assistant in enumerate(assistants)
        ]
        return sorted(
            assistant_trusts,
            key=lambda assistant_trust: (
                -assistant_trust.trust.value,
                assistant_trust.assistant.name,
            ),
        )

    def find_home(self, *, prompt: Prompt) -> Ritual | None:
        """The task on which a prompt is told where none is named; None where it has none."""
        task = self._load_view().get_tasks([prompt])[prompt.pk]
        return Ritual.objects.filter(pk=task).first()

    def get_estimates(
        self,
        *,
        assistant: Assistant,
        prompts: Sequence[Prompt],
        now: datetime,
        ritual: Ritual | None = None,
    ) -> dict[int, Estimate]:
        """An assistant's trust in each of many prompts, tried or not, by prompt id.

        On the task of the ritual, or else on the home of each prompt.
        """
        if not prompts:
            return {}
        view = self._load_view()
        readouts = view.read_grid(
            assistants=[assistant],
            prompts=prompts,
            tasks=view.choose_tasks(prompts, ritual),
            now=now,
        )
        return {prompt.pk: readouts.build_estimate(j) for j, prompt in enumerate(prompts)}

    def list_wording_effects(
        self, *, assistant: Assistant, now: datetime, ritual: Ritual | None = None
    ) -> list[AssistantWordingEffect]:
        """Which wording works for an assistant, the most certain effects first."""
        view = self._load_view()
        tried = [m.prompt for m in _list_tried(assistant=assistant, ritual=ritual)]
        return view.list_wording_effects(assistant=assistant, ritual=ritual, tried=tried, now=now)

    def suggest_prompts(
        self, *, assistant: Assistant, now: datetime, limit: int = 3
    ) -> list[Suggestion]:
        """Prompts that this assistant never tried, those most likely to beat its best first."""
        return self._load_view().suggest_prompts(assistant=assistant, now=now, limit=limit)

    def rank_prompts(
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
        return self._load_view().rank_prompts(
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
        """Predict each assistant's trust in an edit of `parent`, before it is registered or run.

        For the parent's own task unless a ritual is given. Writes nothing. Raises `prompts.InvalidPrompt` where the
        text is empty or too long. The caller must have checked that the parent's text may be read: the result reveals
        features of it.
        """
        return edit_prediction.foresee(
            view=self._load_view(),
            text=text,
            parent=parent,
            assistants=assistants,
            ritual=ritual,
            now=now,
        )

    def get_track_record(self) -> TrackRecord | None:
        """How accurate such predictions were here: the newest prompts by their first scores; None if there are too
        few."""
        return edit_prediction.measure_track_record()

    def get_heat_map(
        self, *, team: Team | None, ritual: Ritual, now: datetime, prompts: int = 40
    ) -> HeatMap:
        """A team's assistants (all measured ones without a team) by a task's best-standing prompts."""
        view = self._load_view()
        assistants = [
            a for a in view.list_measured_assistants() if team is None or a.team_id == team.pk
        ]
        best = [
            s.prompt for s in PromptReputationLedger().list_scores(ritual=ritual, limit=prompts)
        ]
        readouts = view.read_grid(
            assistants=assistants, prompts=best, tasks=view.choose_tasks(best, ritual), now=now
        )
        shape = (len(assistants), len(best))
        return HeatMap(
            assistants=tuple(assistants),
            prompts=tuple(best),
            trust=tuple(tuple(row) for row in readouts.predicted.trust.reshape(shape).tolist()),
            runs=tuple(tuple(row) for row in readouts.runs.reshape(shape).tolist()),
            ritual=ritual,
            as_of=view.as_of,
            policy=view.policy,
        )

    def _load_view(self) -> ScoringView:
        return ScoringView(requested_policy=self._policy, own_team=self._own_team)


# Sorts below every measure; rows that have it are put last.
_UNKNOWN = -1e9


def _get_sort_key(row: TrustMatrixRow, order: str) -> float | str:
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
    value = keys[order]
    return _UNKNOWN if value is None else value


def _list_tried(
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
