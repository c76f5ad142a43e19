"""The folded state for readers: loaded, decayed to now, never changed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import NormalDist

import numpy as np
from django.db.models import Q, QuerySet
from numpy.typing import NDArray

from mintmark.evidence import log
from mintmark.projection import projector
from mintmark.projection.fold import Fold
from mintmark.projection.pair_models import AssistantPromptTaskTrust, AssistantPromptTrustMap
from mintmark.projection.prompt_models import CurrentPromptScore, Policy
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.scoring import pair_measures, pair_predictions
from mintmark.scoring.estimate import Estimate
from mintmark.scoring.pair_priors import PairPolicy
from mintmark.scoring.reputation_constants import ReputationPolicy

from . import pair_records
from .pair_records import PairRecord
from .results import (
    AssistantWordingEffect,
    Measure,
    RankedPrompt,
    Ranking,
    Resonance,
    Suggestion,
    TaskTrust,
    TrustMatrixRow,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_CANDIDATES = 4000
NINETY = pair_predictions.Z_90
_NO_TASKS: Mapping[int, AssistantPromptTaskTrust] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustReadouts:
    """What is told of pairs on tasks, a row each: the prediction, with what was learned at its last event there in the
    place of what a pair has measured on the task; `runs`, those of the view that were made there; and `bounds`, the
    lower bounds that gates go by.
    """

    predicted: pair_predictions.Prediction
    runs: Floats
    bounds: Floats

    def build_estimate(self, i: int) -> Estimate:
        """The trust of row i."""
        return _build_estimate(self.predicted, i, runs=float(self.runs[i]))


class ScoringView:
    """The state of the pair model for readers: loaded, never changed.

    As everybody sees it, or, with `own_team`, as this team sees its own assistants: with its own claims in full.
    """

    def __init__(self, *, requested_policy: Policy | None, own_team: int | None = None) -> None:
        checkpoint = projector.get_checkpoint()
        policy = requested_policy or checkpoint.policy
        self.policy = policy.version
        self.as_of = checkpoint.event
        self.pair_policy = PairPolicy.from_json(policy.pairs)
        self.fold = Fold(
            pairs_policy=self.pair_policy,
            reputation_policy=ReputationPolicy.from_json(policy.reputation),
            stored=True,
        )
        self.own_team = own_team
        self.is_own = own_team is not None
        self.pairs = self.fold.public_pairs if own_team is None else self.fold.own_pairs

    def locate(self, assistants: Ints, tasks: Ints, prompts: Ints) -> tuple[Ints, ...]:
        """Positions of fleet, assistant, task, assistant × task, prompt and pair of each row; all tasks are loaded."""
        known = np.array(self.fold.prompt_state.task_ids, dtype=np.int64)
        nobody = np.full(known.size, -1, dtype=np.int64)
        team = 0 if self.own_team is None else self.own_team
        self.pairs.locate(
            assistant=nobody, ritual=known, prompt=nobody, team=np.full(known.size, team)
        )
        return self.pairs.locate(
            assistant=assistants, ritual=tasks, prompt=prompts, team=np.full(tasks.size, team)
        )

    def predict(
        self,
        assistants: Ints,
        tasks: Ints,
        prompts: Ints,
        *,
        now: datetime,
        as_untried: bool = False,
    ) -> pair_predictions.Prediction:
        """Predict rows of (assistant id, task id or −1, prompt id); `as_untried` from what is known of assistant, task
        and wording alone."""
        distinct, inverse = np.unique(prompts, return_inverse=True)
        fleet, assistant, ritual, assistant_ritual, prompt, pair = self.locate(
            assistants, tasks, prompts
        )
        if as_untried:
            prompt, pair = np.full_like(prompt, -1), np.full_like(pair, -1)
        rows = pair_predictions.PairRows(
            fleet=fleet,
            assistant=assistant,
            ritual=ritual,
            assistant_ritual=assistant_ritual,
            prompt=prompt,
            pair=pair,
            features=self.fold.get_features(distinct)[inverse],
        )
        return pair_predictions.predict(
            self.pair_policy,
            self.pairs.build_state(),
            rows,
            now_days=float(log.to_epoch_days([now])[0]),
        )

    def read_trust(
        self,
        assistants: Ints,
        tasks: Ints,
        prompts: Ints,
        *,
        records: Mapping[int, Mapping[int, AssistantPromptTaskTrust]],
        now: datetime,
    ) -> TrustReadouts:
        """What is told of rows of (assistant id, task id or −1, prompt id); `records` has the stored rows of those that
        were measured, on whatever task, by row and task.

        Later events of other pairs move shared parameters, and with them a prediction made now; what a pair has
        measured itself is more informative. What the pair adds beyond task and wording is its own record. A pair that
        was measured on other tasks alone is predicted, and its bound is no higher than that of an untried prompt: runs
        on another task open no gate.
        """
        predicted = self.predict(assistants, tasks, prompts, now=now)
        runs = np.zeros(assistants.size)
        elsewhere = []
        for i, by_task in records.items():
            row = by_task.get(int(tasks[i]))
            readout = row.get_readout(is_own=self.is_own) if row is not None else None
            if row is None or readout is None:
                if any(r.get_readout(is_own=self.is_own) is not None for r in by_task.values()):
                    elsewhere.append(i)
                continue
            trust, low, high, resonance = readout
            predicted.trust[i], predicted.low[i], predicted.high[i] = trust, low, high
            predicted.resonance[i] = resonance
            predicted.own_record[i] = resonance - predicted.task[i] - predicted.wording[i]
            runs[i] = row.count_runs(is_own=self.is_own)
        bounds = predicted.low.copy()
        if elsewhere:
            untried = self.predict(
                assistants[elsewhere],
                tasks[elsewhere],
                prompts[elsewhere],
                now=now,
                as_untried=True,
            )
            bounds[elsewhere] = np.minimum(bounds[elsewhere], untried.low)
        return TrustReadouts(predicted=predicted, runs=runs, bounds=bounds)

    def get_tasks(self, prompts: Sequence[Prompt]) -> dict[int, int]:
        """The task of each prompt by id: its home, else the ritual that its `task:` tag names; −1 for none."""
        homes = dict(
            CurrentPromptScore.objects.filter(prompt__in=prompts, ritual__isnull=False).values_list(
                "prompt_id", "ritual_id"
            )
        )
        tags = {
            tag for p in prompts if p.pk not in homes for tag in p.tags if tag.startswith("task:")
        }
        by_tag: Mapping[str, int] = {}
        if tags:
            tag_rows = Ritual.objects.filter(tag__in=tags).order_by("-id").values_list("tag", "id")
            by_tag = dict(tag_rows)
        for prompt in prompts:
            if prompt.pk not in homes:
                homes[prompt.pk] = next((by_tag[tag] for tag in prompt.tags if tag in by_tag), -1)
        ids = np.array([homes[p.pk] for p in prompts], dtype=np.int64)
        return dict(
            zip(
                [p.pk for p in prompts], self.fold.prompt_state.get_tasks(ids).tolist(), strict=True
            )
        )

    def choose_tasks(self, prompts: Sequence[Prompt], ritual: Ritual | None) -> dict[int, int]:
        """The task on which each prompt is told, by id: that of the ritual, or else its own; −1 for none."""
        if ritual is None:
            return self.get_tasks(prompts)
        task = int(self.fold.prompt_state.get_tasks(np.array([ritual.pk], dtype=np.int64))[0])
        return dict.fromkeys((prompt.pk for prompt in prompts), task)

    def build_rows(
        self,
        *,
        assistant: Assistant,
        prompts: Sequence[Prompt],
        tasks: Mapping[int, int],
        records: Sequence[PairRecord],
        now: datetime,
    ) -> list[TrustMatrixRow]:
        """Rows of an assistant's matrix for these prompts, each on its task, without `swarm`."""
        if not prompts:
            return []
        record_by_prompt = {record.trust_map.prompt_id: record for record in records}
        map_by_prompt = {pk: record.trust_map for pk, record in record_by_prompt.items()}
        ids = np.array([p.pk for p in prompts], dtype=np.int64)
        assistant_ids = np.full(len(prompts), assistant.pk, dtype=np.int64)
        task_ids = np.array([tasks[p.pk] for p in prompts], dtype=np.int64)
        readouts = self.read_trust(
            assistant_ids,
            task_ids,
            ids,
            records={
                i: record_by_prompt[p.pk].tasks
                for i, p in enumerate(prompts)
                if p.pk in record_by_prompt
            },
            now=now,
        )
        pair_at = self.fold.locate_alignment(assistant_ids, ids, changes=False)
        prompt_at = self.fold.alignment_prompt.locate(ids, changes=False)
        state = self.fold.build_alignment_state()
        measures = pair_measures.measure_pairs(state, pairs=pair_at, prompts=prompt_at)
        elsewhere = {task for record in records for task in record.tasks}
        rituals = Ritual.objects.in_bulk(sorted({t for t in tasks.values() if t >= 0} | elsewhere))
        sums = state.pairs
        return [
            TrustMatrixRow(
                prompt=prompt,
                ritual=rituals.get(tasks[prompt.pk]),
                trust=readouts.build_estimate(i),
                bound=float(readouts.bounds[i]),
                other_tasks=self._build_other_tasks(
                    record_by_prompt[prompt.pk].tasks
                    if prompt.pk in record_by_prompt
                    else _NO_TASKS,
                    told_task=tasks[prompt.pk],
                    rituals=rituals,
                ),
                swarm=None,
                resonance=_build_resonance(readouts.predicted, i),
                compliance=_build_posterior(
                    measures.symbolic_compliance[i],
                    measures.compliance_low[i],
                    measures.compliance_high[i],
                    _count_checks(
                        own=float(sums.checked[pair_at[i]]),
                        anywhere=float(state.prompts.checked[prompt_at[i]]),
                    ),
                ),
                volatility=_build_measure(
                    measures.dreamframe_volatility[i],
                    map_by_prompt[prompt.pk].replay_runs if prompt.pk in map_by_prompt else 0.0,
                ),
                mutation=_build_measure(
                    measures.mutation_bias[i],
                    float(sums.runs[pair_at[i]]) if sums.forked[pair_at[i]] else 0.0,
                ),
                memory=_build_posterior(
                    measures.memory_fidelity[i],
                    measures.memory_low[i],
                    measures.memory_high[i],
                    float(sums.asked[pair_at[i]]),
                ),
                runs=float(sums.runs[pair_at[i]]),
                last_event=map_by_prompt[prompt.pk].event if prompt.pk in map_by_prompt else 0,
                last_at=map_by_prompt[prompt.pk].updated_at if prompt.pk in map_by_prompt else None,
            )
            for i, prompt in enumerate(prompts)
        ]

    def _build_other_tasks(
        self,
        tasks: Mapping[int, AssistantPromptTaskTrust],
        *,
        told_task: int,
        rituals: Mapping[int, Ritual],
    ) -> tuple[TaskTrust, ...]:
        """What a pair has measured on tasks other than the one that is told, the most runs first."""
        others = []
        for task, row in tasks.items():
            readout = row.get_readout(is_own=self.is_own)
            if task == told_task or readout is None:
                continue
            trust, low, high, _ = readout
            others.append(
                TaskTrust(
                    ritual=rituals[task],
                    trust=Estimate(
                        value=trust, low=low, high=high, runs=row.count_runs(is_own=self.is_own)
                    ),
                    last_event=row.event,
                    last_at=row.updated_at,
                )
            )
        return tuple(sorted(others, key=lambda other: (-other.trust.runs, other.ritual.name)))

    def add_swarm(
        self, rows: Sequence[TrustMatrixRow], *, tasks: Mapping[int, int], now: datetime
    ) -> list[TrustMatrixRow]:
        """The same rows with the mean trust over all measured assistants, each on its task."""
        assistants = self.list_measured_assistants()
        if not assistants or not rows:
            return list(rows)
        readouts = self.read_grid(
            assistants=assistants, prompts=[row.prompt for row in rows], tasks=tasks, now=now
        )
        means = readouts.predicted.trust.reshape(len(assistants), len(rows)).mean(axis=0)
        return [replace(row, swarm=float(mean)) for row, mean in zip(rows, means, strict=True)]

    def predict_baseline(
        self, *, assistant: Assistant, prompt: Prompt, task: int, now: datetime
    ) -> float:
        """What an average prompt is expected to score for this assistant on this task."""
        row = np.ones(1, dtype=np.int64)
        predicted = self.predict(row * assistant.pk, row * task, row * prompt.pk, now=now)
        return float(predicted.baseline[0])

    def read_grid(
        self,
        *,
        assistants: Sequence[Assistant],
        prompts: Sequence[Prompt],
        tasks: Mapping[int, int],
        now: datetime,
    ) -> TrustReadouts:
        """What is told of every assistant with every prompt on its task, assistant by assistant."""
        assistant_ids = np.repeat(
            np.array([a.pk for a in assistants], dtype=np.int64), len(prompts)
        )
        ids = np.tile(np.array([p.pk for p in prompts], dtype=np.int64), len(assistants))
        task_ids = np.tile(
            np.array([tasks[p.pk] for p in prompts], dtype=np.int64), len(assistants)
        )
        row_by_assistant = {a.pk: i for i, a in enumerate(assistants)}
        column_by_prompt = {p.pk: j for j, p in enumerate(prompts)}
        records: dict[int, dict[int, AssistantPromptTaskTrust]] = {}
        for row in AssistantPromptTaskTrust.objects.filter(
            assistant__in=row_by_assistant, prompt__in=column_by_prompt
        ):
            i, j = row_by_assistant[row.assistant_id], column_by_prompt[row.prompt_id]
            records.setdefault(i * len(prompts) + j, {})[row.ritual_id] = row
        return self.read_trust(assistant_ids, task_ids, ids, records=records, now=now)

    def list_measured_assistants(self) -> list[Assistant]:
        """The assistants with evidence that counts in this view, by name; in a team's own view, its own."""
        maps = AssistantPromptTrustMap.objects
        with_evidence = (
            maps.filter(proven_runs__gt=0)
            if self.own_team is None
            else maps.filter(runs__gt=0, assistant__team=self.own_team)
        ).values("assistant")
        return list(
            Assistant.objects.filter(pk__in=with_evidence).select_related("team").order_by("name")
        )

    def list_wording_effects(
        self,
        *,
        assistant: Assistant,
        ritual: Ritual | None,
        tried: Sequence[Prompt],
        now: datetime,
    ) -> list[AssistantWordingEffect]:
        """Effects of readable features, the most certain first: those whose interval is farthest from 0."""
        assistant_ids = np.array([assistant.pk], dtype=np.int64)
        task = self.fold.prompt_state.get_tasks(np.array([ritual.pk if ritual is not None else -1]))
        fleet, assistant_at, ritual_at, assistant_ritual_at, _, _ = self.locate(
            assistant_ids, task, np.array([-1], dtype=np.int64)
        )
        effects = pair_predictions.compute_wording_effects(
            self.pair_policy,
            self.pairs.build_state(),
            fleet=int(fleet[0]),
            assistant=int(assistant_at[0]),
            ritual=int(ritual_at[0]) if ritual else None,
            assistant_ritual=int(assistant_ritual_at[0]) if ritual else None,
            now_days=float(log.to_epoch_days([now])[0]),
        )
        features = self.fold.get_features(np.array([p.pk for p in tried], dtype=np.int64))
        wording_effects = []
        for j, effect in enumerate(effects):
            shows = np.flatnonzero(features[:, j] > 0) if len(tried) else np.empty(0, np.int64)
            strongest = sorted(shows.tolist(), key=lambda i: -features[i, j])[:3]
            wording_effects.append(
                AssistantWordingEffect(
                    name=effect.name,
                    label=effect.label,
                    effect=effect.effect,
                    low=effect.low,
                    high=effect.high,
                    own_effect=effect.own_share,
                    prompts=len(shows),
                    examples=tuple(tried[i] for i in strongest),
                )
            )
        return sorted(wording_effects, key=lambda e: -abs(e.effect) / max(e.high - e.low, 1e-9))

    def suggest_prompts(
        self, *, assistant: Assistant, now: datetime, limit: int
    ) -> list[Suggestion]:
        """Untried prompts of the assistant's tasks, by the odds of beating its best there."""
        records = pair_records.load(
            AssistantPromptTrustMap.objects.filter(assistant=assistant, runs__gt=0).select_related(
                "prompt"
            )
        )
        tried = [record.trust_map.prompt for record in records]
        tasks = self.get_tasks(tried)
        task_ids = sorted({t for t in tasks.values() if t >= 0})
        tags = list(Ritual.objects.filter(pk__in=task_ids).values_list("tag", flat=True))
        candidates = list(
            Prompt.objects.filter(Q(standing__ritual__in=task_ids) | Q(taggings__tag__in=tags))
            .exclude(pk__in=[p.pk for p in tried])
            .distinct()
            .order_by("-id")[:MAX_CANDIDATES]
        )
        if not candidates:
            return []
        tasks |= self.get_tasks(candidates)
        all_prompts = tried + candidates
        ids = np.array([p.pk for p in all_prompts], dtype=np.int64)
        prompt_tasks = np.array([tasks[p.pk] for p in all_prompts], dtype=np.int64)
        readouts = self.read_trust(
            np.full(len(all_prompts), assistant.pk, dtype=np.int64),
            prompt_tasks,
            ids,
            records={i: record.tasks for i, record in enumerate(records)},
            now=now,
        )
        predicted = readouts.predicted
        sd = (predicted.high - predicted.low) / (2.0 * NINETY)
        best: dict[int, int] = {}
        for i in range(len(tried)):
            if prompt_tasks[i] >= 0 and (
                int(prompt_tasks[i]) not in best
                or predicted.trust[i] > predicted.trust[best[int(prompt_tasks[i])]]
            ):
                best[int(prompt_tasks[i])] = i
        rituals = Ritual.objects.in_bulk(task_ids)
        suggested = []
        for i in range(len(tried), len(all_prompts)):
            task = int(prompt_tasks[i])
            if task not in best:
                continue
            rival = best[task]
            lead = (predicted.trust[i] - predicted.trust[rival]) / (
                sd[i] ** 2 + sd[rival] ** 2
            ) ** 0.5
            odds = NormalDist().cdf(float(lead))
            suggested.append(
                Suggestion(
                    prompt=all_prompts[i],
                    ritual=rituals[task],
                    trust=readouts.build_estimate(i),
                    odds=odds,
                    incumbent=all_prompts[rival],
                    incumbent_trust=readouts.build_estimate(rival),
                )
            )
        suggested.sort(key=lambda s: (-s.odds, s.prompt.pk))
        return suggested[:limit]

    def rank_prompts(
        self,
        *,
        assistant: Assistant,
        tasks: Sequence[Ritual],
        usable: QuerySet[Prompt],
        now: datetime,
        order: Callable[[Estimate], float],
        limit: int,
    ) -> Ranking:
        """The usable prompts of these tasks, the highest by `order` first; if there are over 4,000, only the newest."""
        names = {ritual.name for ritual in tasks}
        ritual_by_task = self._map_tasks(tasks)
        candidates = list(
            usable.filter(
                Q(standing__ritual__name__in=names)
                | Q(taggings__tag__in={ritual.tag for ritual in tasks})
            )
            .distinct()
            .defer("text", "wording")
            .order_by("-id")[:MAX_CANDIDATES]
        )
        task_by_prompt = self.get_tasks(candidates)
        prompts = [prompt for prompt in candidates if task_by_prompt[prompt.pk] in ritual_by_task]
        if not prompts:
            return Ranking(rows=(), total=0, as_of=self.as_of, policy=self.policy)
        readouts = self.read_grid(
            assistants=[assistant], prompts=prompts, tasks=task_by_prompt, now=now
        )
        rows = [
            RankedPrompt(
                prompt=prompt,
                ritual=ritual_by_task[task_by_prompt[prompt.pk]],
                trust=readouts.build_estimate(i),
                bound=float(readouts.bounds[i]),
            )
            for i, prompt in enumerate(prompts)
        ]
        rows.sort(key=lambda row: (-order(row.trust), -row.trust.value, row.prompt.pk))
        return Ranking(
            rows=tuple(rows[:limit]), total=len(rows), as_of=self.as_of, policy=self.policy
        )

    def _map_tasks(self, rituals: Sequence[Ritual]) -> dict[int, Ritual]:
        """By the id under which their task is kept (that of a name's first version), each task's newest version."""
        newest = sorted(rituals, key=lambda ritual: ritual.version)
        ids = self.fold.prompt_state.get_tasks(
            np.array([ritual.pk for ritual in newest], dtype=np.int64)
        )
        return dict(zip(ids.tolist(), newest, strict=True))


def _build_resonance(predicted: pair_predictions.Prediction, i: int) -> Resonance:
    return Resonance(
        value=float(predicted.resonance[i]),
        task=float(predicted.task[i]),
        wording=float(predicted.wording[i]),
        own_record=float(predicted.own_record[i]),
    )


def _build_estimate(predicted: pair_predictions.Prediction, i: int, *, runs: float) -> Estimate:
    return Estimate(
        value=float(predicted.trust[i]),
        low=float(predicted.low[i]),
        high=float(predicted.high[i]),
        runs=runs,
    )


def _build_posterior(value: float, low: float, high: float, runs: float) -> Estimate:
    """A posterior, or all of [0, 1] around one half where nothing was observed."""
    if value != value:
        return Estimate(value=0.5, low=0.0, high=1.0, runs=0.0)
    return Estimate(value=float(value), low=float(low), high=float(high), runs=runs)


def _count_checks(*, own: float, anywhere: float) -> float:
    """The clause checks behind a pair's compliance: its own, and others' of the prompt at the weight that they have."""
    return own + min(pair_measures.COMPLIANCE_WEIGHT, anywhere - own)


def _build_measure(value: float, runs: float) -> Measure:
    return Measure(value=None if value != value else float(value), runs=runs)
