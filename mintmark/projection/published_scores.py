"""The published rows of a prompt's reputation: its standing, its history, its live ratings."""

import itertools
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mintmark.common import evidence_kinds, provenance
from mintmark.evidence import log
from mintmark.registry.models import Prompt
from mintmark.scoring import prompt_model
from mintmark.storage import bulk

from .prompt_models import ActiveRating, CurrentPromptScore, EventEffect, PromptReputationScore

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_RATING = int(evidence_kinds.EvidenceKind.RATING)
_SCORED_KINDS = sorted(evidence_kinds.MEASURED | evidence_kinds.OPINION | evidence_kinds.REWEIGH)
_NO_RIGHT = int(provenance.Provenance.NO_RIGHT)

EFFECT_COLUMNS = (
    "event_id",
    "expected",
    "baseline",
    "offset",
    "weight",
    "trust_before",
    "trust_after",
)
SCORE_COLUMNS = (
    "prompt_id", "ritual_effectiveness", "assistant_approval", "user_rating_tags", "symbolic_tags", "trust_score",
    "trust_low", "trust_high", "weight", "event_id", "policy_id",
)  # fmt: skip
CURRENT_SCORE_COLUMNS = (
    "prompt_id", "ritual_id", "trust_score", "trust_low", "trust_high", "trust_bound", "ritual_effectiveness",
    "assistant_approval", "runs", "events", "rating_tags", "event_id",
)  # fmt: skip
ACTIVE_RATING_COLUMNS = ("prompt_id", "rater_id", "score", "tags", "event_id")


@dataclass(frozen=True, kw_only=True)
class ScoreRows:
    """Rows to write after a slice, each a tuple in the order of the columns named above."""

    effects: list[tuple[Any, ...]]
    scores: list[tuple[Any, ...]]
    current_scores: list[tuple[Any, ...]]
    active_ratings: list[tuple[Any, ...]]


@dataclass(kw_only=True)
class _Counters:
    """The counts of a standing: events, and the tags of live ratings, also as JSON."""

    events: int = 0
    tags: Counter[str] = field(default_factory=Counter)
    text: str = "{}"


class ScorePublisher:
    """Follows the log beside the kernels. With `stored` False it starts from nothing: a replay."""

    def __init__(self, *, policy: int, stored: bool) -> None:
        self._policy = policy
        self._stored = stored
        self._counters: dict[int, _Counters] = {}
        self._ratings: dict[tuple[int, int], list[str]] = {}
        self._symbolic_tags: dict[int, str] = {}

    def build_rows(
        self,
        *,
        log_slice: log.Slice,
        expected: Floats,
        baseline: Floats,
        effects: prompt_model.ReputationEffects,
        prompts: Ints,
        homes: Ints,
        runs: Floats,
    ) -> ScoreRows:
        """Compute the rows that a slice publishes.

        `homes` and `runs` are the home ritual (−1 for none) and the measured runs of each of the slice's `prompts`, in
        order of id, as of its last event.
        """
        self._load_counters(log_slice)
        sourced = np.flatnonzero(
            np.isin(log_slice.kind, _SCORED_KINDS) & (log_slice.provenance != _NO_RIGHT)
        )
        of_batch = _find_last(log_slice.batch[sourced] << 32 | log_slice.prompt[sourced])
        of_prompt = _find_last(log_slice.prompt[sourced])
        tags, active_ratings = self._collect_tags(log_slice, sourced[of_batch], effects.weight)
        events = self._count_events(log_slice.prompt[sourced])
        i = sourced[of_batch]
        mean, n = effects.trust_after[i], effects.n_after[i]
        low, high = (_compute_quantile(mean, n, level) for level in (0.05, 0.95))
        prompt = log_slice.prompt[i].tolist()
        shared = [
            effects.effectiveness_after[i].tolist(), effects.approval_after[i].tolist(), tags,
            [self._symbolic_tags[p] for p in prompt], mean.tolist(), low.tolist(), high.tolist(), n.tolist(),
            log_slice.event[i].tolist(),
        ]  # fmt: skip
        scores = list(zip(prompt, *shared, itertools.repeat(self._policy), strict=False))
        # A prompt's last event of the slice is also its last one of some batch.
        last = np.searchsorted(of_batch, of_prompt)
        known = np.searchsorted(prompts, log_slice.prompt[sourced[of_prompt]])
        current_scores = []
        for row_index, home, measured, bound in zip(
            last.tolist(),
            homes[known].tolist(),
            runs[known].tolist(),
            _compute_quantile(mean[last], n[last], 0.10).tolist(),
            strict=True,
        ):
            (
                p,
                effectiveness,
                approval,
                rating_tags,
                _,
                trust,
                trust_low,
                trust_high,
                _,
                event,
                _,
            ) = scores[row_index]
            current_scores.append(
                (
                    p, home if home >= 0 else None, trust, trust_low, trust_high, bound, effectiveness, approval,
                    measured, events[p], rating_tags, event,
                )
            )  # fmt: skip
        columns = (
            log_slice.event,
            *(bulk.nan_to_none(column) for column in (expected, baseline, effects.offset)),
            effects.weight,
            *(bulk.nan_to_none(column) for column in (effects.trust_before, effects.trust_after)),
        )
        return ScoreRows(
            effects=list(zip(*(column.tolist() for column in columns), strict=True)),
            scores=scores,
            current_scores=current_scores,
            active_ratings=active_ratings,
        )

    def _collect_tags(
        self, log_slice: log.Slice, event_indices: Ints, weight: Floats
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """The tags of live ratings, as JSON, right after each of the events `event_indices`; and the ratings of the
        slice that are live now."""
        active_ratings: dict[tuple[int, int], tuple[Any, ...]] = {}
        texts: list[str] = []
        rated = np.flatnonzero((log_slice.kind == _RATING) & (weight > 0.0)).tolist()
        rated_index = 0
        for i, prompt in zip(
            event_indices.tolist(), log_slice.prompt[event_indices].tolist(), strict=True
        ):
            while rated_index < len(rated) and rated[rated_index] <= i:
                active_ratings[
                    int(log_slice.prompt[rated[rated_index]]),
                    int(log_slice.actor[rated[rated_index]]),
                ] = self._apply_rating(log_slice, rated[rated_index])
                rated_index += 1
            texts.append(self._counters[prompt].text)
        return texts, list(active_ratings.values())

    def _count_events(self, prompts: Ints) -> dict[int, int]:
        """The number of events of these prompts, those of the slice included."""
        events: dict[int, int] = {}
        distinct, counts = np.unique(prompts, return_counts=True)
        for prompt, count in zip(distinct.tolist(), counts.tolist(), strict=True):
            counters = self._counters[prompt]
            counters.events += count
            events[prompt] = counters.events
        return events

    def _apply_rating(self, log_slice: log.Slice, i: int) -> tuple[Any, ...]:
        """Replace the same rater's earlier rating by this one."""
        rated = (int(log_slice.prompt[i]), int(log_slice.actor[i]))
        counters = self._counters[rated[0]]
        counters.tags.subtract(self._ratings.get(rated, []))
        tags = list(log_slice.tags[i])
        self._ratings[rated] = tags
        counters.tags.update(tags)
        counters.tags = +counters.tags
        counters.text = _to_json(counters.tags)
        return (*rated, float(log_slice.score[i]), json.dumps(tags), int(log_slice.event[i]))

    def _load_counters(self, log_slice: log.Slice) -> None:
        prompts = [p for p in np.unique(log_slice.prompt).tolist() if p not in self._counters]
        self._counters.update((p, _Counters()) for p in prompts)
        for start in range(0, len(prompts), 5000):
            chunk = prompts[start : start + 5000]
            for pk, tags in Prompt.objects.filter(pk__in=chunk).values_list("id", "tags"):
                self._symbolic_tags[pk] = json.dumps(tags)
            if self._stored:
                current_scores = CurrentPromptScore.objects.filter(prompt__in=chunk)
                for pk, events, rating_tags in current_scores.values_list(
                    "prompt_id", "events", "rating_tags"
                ):
                    tags = Counter(rating_tags)
                    self._counters[pk] = _Counters(events=events, tags=tags, text=_to_json(tags))
        if self._stored:
            rated = log_slice.prompt[log_slice.kind == _RATING]
            raters = log_slice.actor[log_slice.kind == _RATING]
            if len(rated):
                for prompt, rater, tags in ActiveRating.objects.filter(
                    prompt__in=np.unique(rated).tolist(), rater__in=np.unique(raters).tolist()
                ).values_list("prompt_id", "rater_id", "tags"):
                    self._ratings[prompt, rater] = tags


def publish(score_rows: ScoreRows, *, now: datetime) -> None:
    """Write what a slice published; in the caller's transaction."""
    bulk.bulk_upsert(EventEffect, EFFECT_COLUMNS, score_rows.effects)
    bulk.bulk_upsert(
        PromptReputationScore,
        (*SCORE_COLUMNS, "created_at"),
        [(*row, now) for row in score_rows.scores],
    )
    bulk.bulk_upsert(
        CurrentPromptScore,
        CURRENT_SCORE_COLUMNS,
        score_rows.current_scores,
        update_on=("prompt_id",),
    )
    bulk.bulk_upsert(
        ActiveRating,
        ACTIVE_RATING_COLUMNS,
        score_rows.active_ratings,
        update_on=("prompt_id", "rater_id"),
    )


def _find_last(keys: Ints) -> Ints:
    """Where each key appears last, in order."""
    _, before_last = np.unique(keys[::-1], return_index=True)
    return np.sort(keys.size - 1 - before_last)


def _to_json(tags: Mapping[str, int]) -> str:
    return json.dumps(dict(sorted(tags.items())))


def _compute_quantile(mean: Floats, n: Floats, level: float) -> Floats:
    return np.asarray(special.betaincinv(mean * n, (1.0 - mean) * n, level), dtype=float)
