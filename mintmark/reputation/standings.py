"""What is published of a prompt's reputation: its standing, its history, its live ratings."""

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mintmark.core import kinds, reputation, reputation_state
from mintmark.database import rows
from mintmark.evidence import log
from mintmark.registry.models import Prompt

from .models import EventEffect, LiveRating, PromptReputationScore, Standing

Floats = NDArray[np.float64]

_RATING = int(kinds.Kind.RATING)
_SOURCES = len(reputation_state.SOURCES)

EFFECT = ("event_id", "expected", "baseline", "offset", "weight", "trust_before", "trust_after")
SCORE = (
    "prompt_id", "ritual_effectiveness", "assistant_approval", "user_rating_tags", "symbolic_tags", "trust_score",
    "trust_low", "trust_high", "weight", "event_id", "policy_id",
)  # fmt: skip
STANDING = (
    "prompt_id", "ritual_id", "trust_score", "trust_low", "trust_high", "trust_bound", "ritual_effectiveness",
    "assistant_approval", "runs", "events", "rating_tags", "event_id",
)  # fmt: skip
LIVE_RATING = ("prompt_id", "rater_id", "score", "tags", "event_id")


@dataclass(frozen=True, kw_only=True)
class Published:
    """Rows to write after a slice, each a tuple in the order of the columns named above."""

    effects: list[tuple[Any, ...]]
    scores: list[tuple[Any, ...]]
    standings: list[tuple[Any, ...]]
    live_ratings: list[tuple[Any, ...]]


@dataclass(kw_only=True)
class _Tally:
    """What a standing counts: events, and the tags of live ratings."""

    events: int = 0
    tags: Counter[str] = field(default_factory=Counter)


class Standings:
    """Follows the log beside the kernels. With `stored` False it starts from nothing: a replay."""

    def __init__(self, *, policy: int, stored: bool) -> None:
        self._policy = policy
        self._stored = stored
        self._tallies: dict[int, _Tally] = {}
        self._ratings: dict[tuple[int, int], list[str]] = {}
        self._symbolic_tags: dict[int, str] = {}

    def follow(
        self,
        *,
        part: log.Slice,
        expected: Floats,
        baseline: Floats,
        effects: reputation.Effects,
        homes: dict[int, int | None],
        runs: dict[int, float],
    ) -> Published:
        """Work out what a slice publishes.

        `homes` and `runs` give each touched prompt's home ritual and measured runs as of its last event in the slice.
        """
        self._load(part)
        low, high, bound = (
            _quantile(effects.trust_after, effects.n_after, level) for level in (0.05, 0.95, 0.10)
        )
        sourced = part.kind < _SOURCES
        last_of_prompt = _last_by(part.prompt, sourced)
        last_of_batch = _last_by((part.batch << 32) | part.prompt, sourced)
        scores: list[tuple[Any, ...]] = []
        standings: list[tuple[Any, ...]] = []
        live: dict[tuple[int, int], tuple[Any, ...]] = {}
        for i in np.flatnonzero(sourced).tolist():
            prompt = int(part.prompt[i])
            tally = self._tallies[prompt]
            tally.events += 1
            if part.kind[i] == _RATING and effects.weight[i] > 0.0:
                live[prompt, int(part.actor[i])] = self._rate(part, i, tally)
            if not (i in last_of_batch or i in last_of_prompt):
                continue
            tags = json.dumps(dict(sorted(tally.tags.items())))
            shared = (
                float(effects.effectiveness_after[i]), float(effects.approval_after[i]), tags,
                self._symbolic_tags[prompt], float(effects.trust_after[i]), float(low[i]), float(high[i]),
                float(effects.n_after[i]), int(part.event[i]),
            )  # fmt: skip
            if i in last_of_batch:
                scores.append((prompt, *shared, self._policy))
            if i in last_of_prompt:
                standings.append(
                    (
                        prompt, homes[prompt], shared[4], shared[5], shared[6], float(bound[i]), shared[0], shared[1],
                        runs[prompt], tally.events, tags, shared[8],
                    )
                )  # fmt: skip
        return Published(
            effects=list(
                zip(
                    part.event.tolist(),
                    _nullable(expected),
                    _nullable(baseline),
                    _nullable(effects.offset),
                    effects.weight.tolist(),
                    _nullable(effects.trust_before),
                    _nullable(effects.trust_after),
                    strict=True,
                )
            ),
            scores=scores,
            standings=standings,
            live_ratings=list(live.values()),
        )

    def _rate(self, part: log.Slice, i: int, tally: _Tally) -> tuple[Any, ...]:
        """Let a rating take the place of the same rater's earlier one."""
        rated = (int(part.prompt[i]), int(part.actor[i]))
        tally.tags.subtract(self._ratings.get(rated, []))
        tally.tags = +tally.tags
        tags = list(part.tags[i])
        self._ratings[rated] = tags
        tally.tags.update(tags)
        return (*rated, float(part.score[i]), json.dumps(tags), int(part.event[i]))

    def _load(self, part: log.Slice) -> None:
        prompts = [p for p in np.unique(part.prompt).tolist() if p not in self._tallies]
        self._tallies.update((p, _Tally()) for p in prompts)
        for start in range(0, len(prompts), 5000):
            chunk = prompts[start : start + 5000]
            for pk, tags in Prompt.objects.filter(pk__in=chunk).values_list("id", "tags"):
                self._symbolic_tags[pk] = json.dumps(tags)
            if self._stored:
                found = Standing.objects.filter(prompt__in=chunk)
                for pk, events, counted in found.values_list("prompt_id", "events", "rating_tags"):
                    self._tallies[pk] = _Tally(events=events, tags=Counter(counted))
        if self._stored:
            rated = part.prompt[part.kind == _RATING]
            raters = part.actor[part.kind == _RATING]
            if len(rated):
                for prompt, rater, tags in LiveRating.objects.filter(
                    prompt__in=np.unique(rated).tolist(), rater__in=np.unique(raters).tolist()
                ).values_list("prompt_id", "rater_id", "tags"):
                    self._ratings[prompt, rater] = tags


def publish(published: Published, *, now: datetime) -> None:
    """Write what a slice published; in the caller's transaction."""
    rows.insert(EventEffect, EFFECT, published.effects)
    rows.insert(
        PromptReputationScore, (*SCORE, "created_at"), [(*row, now) for row in published.scores]
    )
    rows.insert(Standing, STANDING, published.standings, replace=("prompt_id",))
    rows.insert(LiveRating, LIVE_RATING, published.live_ratings, replace=("prompt_id", "rater_id"))


def _last_by(keys: NDArray[np.int64], chosen: NDArray[np.bool_]) -> set[int]:
    """Positions of the last chosen element of each key."""
    last = dict(zip(keys[chosen].tolist(), np.flatnonzero(chosen).tolist(), strict=True))
    return set(last.values())


def _nullable(column: Floats) -> list[float | None]:
    return [None if value != value else value for value in column.tolist()]


def _quantile(mean: Floats, n: Floats, level: float) -> Floats:
    return np.asarray(special.betaincinv(mean * n, (1.0 - mean) * n, level), dtype=float)
