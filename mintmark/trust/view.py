"""The folded state as a reader needs it: loaded, aged to now, never changed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from statistics import NormalDist

import numpy as np
from django.db.models import Q, QuerySet
from numpy.typing import NDArray

from mintmark.core import alignment, predictions
from mintmark.core.pair_policy import PairPolicy
from mintmark.core.reputation_policy import ReputationPolicy
from mintmark.evidence import log
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.reputation.answers import Estimate
from mintmark.reputation.models import Policy, Standing

from . import projector
from .answers import MatrixRow, Measure, Ranked, Ranking, Resonance, Suggestion, WordingEffect
from .fold import Fold
from .models import AssistantPromptTrustMap

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_CANDIDATES = 4000
NINETY = predictions.NINETY


class View:
    """The state of the pair model as a reader needs it: loaded, never changed."""

    def __init__(self, *, given: Policy | None) -> None:
        cursor = projector.cursor()
        policy = given or cursor.policy
        self.policy = policy.version
        self.as_of = cursor.event
        self.pair_policy = PairPolicy.from_json(policy.pairs)
        self.fold = Fold(
            pairs_policy=self.pair_policy,
            reputation_policy=ReputationPolicy.from_json(policy.reputation),
            stored=True,
        )

    def predict(
        self, assistants: Ints, tasks: Ints, prompts: Ints, *, now: datetime
    ) -> predictions.Prediction:
        """Predict rows of (assistant id, task id or −1, prompt id)."""
        fold = self.fold
        everything = np.zeros(1, dtype=np.int64)
        fold.pair_fleet.locate(everything, changes=False)
        known = np.array(fold.records.task_ids, dtype=np.int64)
        fold.pair_ritual.locate(known, changes=False)
        fold.centre.locate(known, changes=False)
        distinct, inverse = np.unique(prompts, return_inverse=True)
        rows = predictions.PairRows(
            assistant=fold.pair_assistant.locate(assistants, changes=False),
            ritual=fold.pair_ritual.locate(tasks, changes=False),
            assistant_ritual=fold.pair_assistant_ritual.locate(assistants, tasks, changes=False),
            prompt=fold.pair_prompt.locate(prompts, changes=False),
            pair=fold.pair_pair.locate(assistants, prompts, changes=False),
            features=fold.features(distinct)[inverse],
        )
        return predictions.predict(
            self.pair_policy, fold.pair_state(), rows, now_days=float(log.days([now])[0])
        )

    def tasks_of(self, prompts: Sequence[Prompt]) -> dict[int, int]:
        """The task of each prompt by id: its home, else the ritual that its `task:` tag names; −1 for none."""
        homes = dict(
            Standing.objects.filter(prompt__in=prompts, ritual__isnull=False).values_list(
                "prompt_id", "ritual_id"
            )
        )
        tags = {
            tag for p in prompts if p.pk not in homes for tag in p.tags if tag.startswith("task:")
        }
        by_tag: Mapping[str, int] = {}
        if tags:
            named = Ritual.objects.filter(tag__in=tags).order_by("-id").values_list("tag", "id")
            by_tag = dict(named)
        for prompt in prompts:
            if prompt.pk not in homes:
                homes[prompt.pk] = next((by_tag[tag] for tag in prompt.tags if tag in by_tag), -1)
        ids = np.array([homes[p.pk] for p in prompts], dtype=np.int64)
        return dict(zip([p.pk for p in prompts], self.fold.records.task(ids).tolist(), strict=True))

    def rows(
        self,
        *,
        assistant: Assistant,
        prompts: Sequence[Prompt],
        maps: Sequence[AssistantPromptTrustMap],
        now: datetime,
    ) -> list[MatrixRow]:
        """Rows of an assistant's matrix for these prompts, `swarm` left out."""
        if not prompts:
            return []
        tasks = self.tasks_of(prompts)
        kept = {m.prompt_id: m for m in maps}
        ids = np.array([p.pk for p in prompts], dtype=np.int64)
        who = np.full(len(prompts), assistant.pk, dtype=np.int64)
        task_ids = np.array([tasks[p.pk] for p in prompts], dtype=np.int64)
        told = self.predict(who, task_ids, ids, now=now)
        _keep_measured(told, {i: kept[p.pk] for i, p in enumerate(prompts) if p.pk in kept})
        pair_at = self.fold.locate_alignment(who, ids, changes=False)
        prompt_at = self.fold.alignment_prompt.locate(ids, changes=False)
        state = self.fold.alignment_state()
        measures = alignment.measures(state, pairs=pair_at, prompts=prompt_at)
        rituals = Ritual.objects.in_bulk(sorted({t for t in tasks.values() if t >= 0}))
        sums = state.pairs
        return [
            MatrixRow(
                prompt=prompt,
                ritual=rituals.get(tasks[prompt.pk]),
                trust=_told(told, i, runs=float(sums.runs[pair_at[i]])),
                swarm=None,
                resonance=_resonance(told, i),
                compliance=_posterior(
                    measures.symbolic_compliance[i],
                    measures.compliance_low[i],
                    measures.compliance_high[i],
                    _checks(
                        own=float(sums.checked[pair_at[i]]),
                        anywhere=float(state.prompts.checked[prompt_at[i]]),
                    ),
                ),
                volatility=_measure(
                    measures.dreamframe_volatility[i],
                    kept[prompt.pk].replay_runs if prompt.pk in kept else 0.0,
                ),
                mutation=_measure(
                    measures.mutation_bias[i],
                    float(sums.runs[pair_at[i]]) if sums.forked[pair_at[i]] else 0.0,
                ),
                memory=_posterior(
                    measures.memory_fidelity[i],
                    measures.memory_low[i],
                    measures.memory_high[i],
                    float(sums.asked[pair_at[i]]),
                ),
                runs=float(sums.runs[pair_at[i]]),
                last_event=kept[prompt.pk].event if prompt.pk in kept else 0,
                last_at=kept[prompt.pk].updated_at if prompt.pk in kept else None,
            )
            for i, prompt in enumerate(prompts)
        ]

    def with_swarm(self, rows: Sequence[MatrixRow], *, now: datetime) -> list[MatrixRow]:
        """The same rows with the mean trust over all measured assistants."""
        assistants = self.measured_assistants()
        if not assistants or not rows:
            return list(rows)
        told, _ = self.grid(assistants=assistants, prompts=[row.prompt for row in rows], now=now)
        means = told.trust.reshape(len(assistants), len(rows)).mean(axis=0)
        return [replace(row, swarm=float(mean)) for row, mean in zip(rows, means, strict=True)]

    def baseline(self, *, assistant: Assistant, prompt: Prompt, now: datetime) -> float:
        """What an average prompt is expected to score for this assistant on this prompt's task."""
        task = self.tasks_of([prompt])[prompt.pk]
        one = np.ones(1, dtype=np.int64)
        told = self.predict(one * assistant.pk, one * task, one * prompt.pk, now=now)
        return float(told.baseline[0])

    def grid(
        self, *, assistants: Sequence[Assistant], prompts: Sequence[Prompt], now: datetime
    ) -> tuple[predictions.Prediction, Floats]:
        """Predictions of every assistant with every prompt (assistant by assistant), and their runs (n, m)."""
        tasks = self.tasks_of(prompts)
        who = np.repeat(np.array([a.pk for a in assistants], dtype=np.int64), len(prompts))
        ids = np.tile(np.array([p.pk for p in prompts], dtype=np.int64), len(assistants))
        at = np.tile(np.array([tasks[p.pk] for p in prompts], dtype=np.int64), len(assistants))
        runs = np.zeros((len(assistants), len(prompts)))
        row_of = {a.pk: i for i, a in enumerate(assistants)}
        column_of = {p.pk: j for j, p in enumerate(prompts)}
        told = self.predict(who, at, ids, now=now)
        maps = AssistantPromptTrustMap.objects.filter(assistant__in=row_of, prompt__in=column_of)
        measured = {}
        for m in maps:
            i, j = row_of[m.assistant_id], column_of[m.prompt_id]
            runs[i, j] = m.runs
            measured[i * len(prompts) + j] = m
        _keep_measured(told, measured)
        return told, runs

    def measured_assistants(self) -> list[Assistant]:
        """The assistants with measured evidence, by name."""
        with_evidence = AssistantPromptTrustMap.objects.filter(runs__gt=0).values("assistant")
        return list(
            Assistant.objects.filter(pk__in=with_evidence).select_related("team").order_by("name")
        )

    def wording(
        self,
        *,
        assistant: Assistant,
        ritual: Ritual | None,
        tried: Sequence[Prompt],
        now: datetime,
    ) -> list[WordingEffect]:
        """Effects of readable features, the surest first: those whose interval is farthest from nothing."""
        one = np.array([assistant.pk], dtype=np.int64)
        task = self.fold.records.task(np.array([ritual.pk if ritual is not None else -1]))
        fold = self.fold
        fold.pair_fleet.locate(np.zeros(1, dtype=np.int64), changes=False)
        at = int(fold.pair_assistant.locate(one, changes=False)[0])
        of_ritual = int(fold.pair_ritual.locate(task, changes=False)[0]) if ritual else None
        of_both = (
            int(fold.pair_assistant_ritual.locate(one, task, changes=False)[0]) if ritual else None
        )
        told = predictions.wording_effects(
            self.pair_policy,
            fold.pair_state(),
            assistant=at,
            ritual=of_ritual,
            assistant_ritual=of_both,
            now_days=float(log.days([now])[0]),
        )
        features = fold.features(np.array([p.pk for p in tried], dtype=np.int64))
        found = []
        for j, effect in enumerate(told):
            shows = np.flatnonzero(features[:, j] > 0) if len(tried) else np.empty(0, np.int64)
            strongest = sorted(shows.tolist(), key=lambda i: -features[i, j])[:3]
            found.append(
                WordingEffect(
                    name=effect.name,
                    label=effect.label,
                    effect=effect.effect,
                    low=effect.low,
                    high=effect.high,
                    own=effect.own,
                    prompts=len(shows),
                    examples=tuple(tried[i] for i in strongest),
                )
            )
        return sorted(found, key=lambda e: -abs(e.effect) / max(e.high - e.low, 1e-9))

    def suggestions(self, *, assistant: Assistant, now: datetime, limit: int) -> list[Suggestion]:
        """Untried prompts of the tasks that the assistant does, by the odds of beating its best there."""
        maps = list(
            AssistantPromptTrustMap.objects.filter(assistant=assistant, runs__gt=0).select_related(
                "prompt"
            )
        )
        tried = [m.prompt for m in maps]
        tasks = self.tasks_of(tried)
        wanted = sorted({t for t in tasks.values() if t >= 0})
        tags = list(Ritual.objects.filter(pk__in=wanted).values_list("tag", flat=True))
        candidates = list(
            Prompt.objects.filter(Q(standing__ritual__in=wanted) | Q(taggings__tag__in=tags))
            .exclude(pk__in=[p.pk for p in tried])
            .distinct()
            .order_by("-id")[:MOST_CANDIDATES]
        )
        if not candidates:
            return []
        tasks |= self.tasks_of(candidates)
        both = tried + candidates
        ids = np.array([p.pk for p in both], dtype=np.int64)
        at = np.array([tasks[p.pk] for p in both], dtype=np.int64)
        told = self.predict(np.full(len(both), assistant.pk, dtype=np.int64), at, ids, now=now)
        _keep_measured(told, dict(enumerate(maps)))
        sd = (told.high - told.low) / (2.0 * NINETY)
        best: dict[int, int] = {}
        for i in range(len(tried)):
            if at[i] >= 0 and (
                int(at[i]) not in best or told.trust[i] > told.trust[best[int(at[i])]]
            ):
                best[int(at[i])] = i
        rituals = Ritual.objects.in_bulk(wanted)
        found = []
        for i in range(len(tried), len(both)):
            task = int(at[i])
            if task not in best:
                continue
            rival = best[task]
            lead = (told.trust[i] - told.trust[rival]) / (sd[i] ** 2 + sd[rival] ** 2) ** 0.5
            odds = NormalDist().cdf(float(lead))
            found.append(
                Suggestion(
                    prompt=both[i],
                    ritual=rituals[task],
                    trust=_told(told, i, runs=0.0),
                    odds=odds,
                    incumbent=both[rival],
                    incumbent_trust=_told(told, rival, runs=maps[rival].runs),
                )
            )
        found.sort(key=lambda s: (-s.odds, s.prompt.pk))
        return found[:limit]

    def ranking(
        self,
        *,
        assistant: Assistant,
        tasks: Sequence[Ritual],
        usable: QuerySet[Prompt],
        now: datetime,
        order: Callable[[Estimate], float],
        limit: int,
    ) -> Ranking:
        """The usable prompts of these tasks, the highest by `order` first; of more than 4,000 the newest."""
        names = {ritual.name for ritual in tasks}
        wanted = self._known_tasks(tasks)
        found = list(
            usable.filter(
                Q(standing__ritual__name__in=names)
                | Q(taggings__tag__in={ritual.tag for ritual in tasks})
            )
            .distinct()
            .defer("text", "wording")
            .order_by("-id")[:MOST_CANDIDATES]
        )
        at = self.tasks_of(found)
        prompts = [prompt for prompt in found if at[prompt.pk] in wanted]
        if not prompts:
            return Ranking(rows=(), total=0, as_of=self.as_of, policy=self.policy)
        told, runs = self.grid(assistants=[assistant], prompts=prompts, now=now)
        rows = [
            Ranked(
                prompt=prompt,
                ritual=wanted[at[prompt.pk]],
                trust=_told(told, i, runs=float(runs[0, i])),
            )
            for i, prompt in enumerate(prompts)
        ]
        rows.sort(key=lambda row: (-order(row.trust), -row.trust.value, row.prompt.pk))
        return Ranking(
            rows=tuple(rows[:limit]), total=len(rows), as_of=self.as_of, policy=self.policy
        )

    def _known_tasks(self, rituals: Sequence[Ritual]) -> dict[int, Ritual]:
        """By the id under which their task is kept (that of a name's first version), each task's newest version."""
        newest = sorted(rituals, key=lambda ritual: ritual.version)
        ids = self.fold.records.task(np.array([ritual.pk for ritual in newest], dtype=np.int64))
        return dict(zip(ids.tolist(), newest, strict=True))


def _keep_measured(
    told: predictions.Prediction, measured: Mapping[int, AssistantPromptTrustMap]
) -> None:
    """Put in place of the predictions of measured pairs, by row, what was learned at their last event.

    Later events of other pairs go on to move the parameters that they share, and with them a prediction made now; what
    a pair has measured itself says more. What the pairing adds beyond task and wording is its own record.
    """
    for i, pair in measured.items():
        if pair.trust is None or pair.trust_low is None or pair.trust_high is None:
            continue
        told.trust[i], told.low[i], told.high[i] = pair.trust, pair.trust_low, pair.trust_high
        told.resonance[i] = pair.resonance_score
        told.own_record[i] = pair.resonance_score - told.task[i] - told.wording[i]


def _resonance(told: predictions.Prediction, i: int) -> Resonance:
    return Resonance(
        value=float(told.resonance[i]),
        task=float(told.task[i]),
        wording=float(told.wording[i]),
        own_record=float(told.own_record[i]),
    )


def _told(told: predictions.Prediction, i: int, *, runs: float) -> Estimate:
    return Estimate(
        value=float(told.trust[i]), low=float(told.low[i]), high=float(told.high[i]), runs=runs
    )


def _posterior(value: float, low: float, high: float, runs: float) -> Estimate:
    """A posterior, or all of [0, 1] around one half where nothing was observed."""
    if value != value:
        return Estimate(value=0.5, low=0.0, high=1.0, runs=0.0)
    return Estimate(value=float(value), low=float(low), high=float(high), runs=runs)


def _checks(*, own: float, anywhere: float) -> float:
    """Clause checks behind a pair's compliance: its own, and others' of the prompt for the weight that they have."""
    return own + min(alignment.COMPLIANCE_WEIGHT, anywhere - own)


def _measure(value: float, runs: float) -> Measure:
    return Measure(value=None if value != value else float(value), runs=runs)
