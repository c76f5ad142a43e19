"""What is published of a prompt's reputation: its standing, its history, its live ratings."""

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

from mintmark.core import kinds, reputation, reputation_state
from mintmark.database import rows
from mintmark.evidence import log
from mintmark.registry.models import Prompt

from .models import EventEffect, LiveRating, PromptReputationScore, Standing

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

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
    """What a standing counts: events, and the tags of live ratings, also as JSON."""

    events: int = 0
    tags: Counter[str] = field(default_factory=Counter)
    text: str = "{}"


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
        prompts: Ints,
        homes: Ints,
        runs: Floats,
    ) -> Published:
        """Work out what a slice publishes.

        `homes` and `runs` are the home ritual (−1 for none) and the measured runs of each of the slice's `prompts`, in
        order of id, as of its last event.
        """
        self._load(part)
        sourced = np.flatnonzero(part.kind < _SOURCES)
        of_batch = _last_by(part.batch[sourced] << 32 | part.prompt[sourced])
        of_prompt = _last_by(part.prompt[sourced])
        tags, live = self._tags(part, sourced[of_batch], effects.weight)
        events = self._counted(part.prompt[sourced])
        i = sourced[of_batch]
        mean, n = effects.trust_after[i], effects.n_after[i]
        low, high = (_quantile(mean, n, level) for level in (0.05, 0.95))
        prompt = part.prompt[i].tolist()
        shared = [
            effects.effectiveness_after[i].tolist(), effects.approval_after[i].tolist(), tags,
            [self._symbolic_tags[p] for p in prompt], mean.tolist(), low.tolist(), high.tolist(), n.tolist(),
            part.event[i].tolist(),
        ]  # fmt: skip
        scores = list(zip(prompt, *shared, itertools.repeat(self._policy), strict=False))
        # A prompt's last event of the slice is its last one of some batch too.
        last = np.searchsorted(of_batch, of_prompt)
        known = np.searchsorted(prompts, part.prompt[sourced[of_prompt]])
        standings = []
        for at, home, measured, bound in zip(
            last.tolist(),
            homes[known].tolist(),
            runs[known].tolist(),
            _quantile(mean[last], n[last], 0.10).tolist(),
            strict=True,
        ):
            p, effectiveness, approval, counted, _, trust, least, most, _, event, _ = scores[at]
            standings.append(
                (
                    p, home if home >= 0 else None, trust, least, most, bound, effectiveness, approval, measured,
                    events[p], counted, event,
                )
            )  # fmt: skip
        columns = (
            part.event,
            *(rows.nullable(column) for column in (expected, baseline, effects.offset)),
            effects.weight,
            *(rows.nullable(column) for column in (effects.trust_before, effects.trust_after)),
        )
        return Published(
            effects=list(zip(*(column.tolist() for column in columns), strict=True)),
            scores=scores,
            standings=standings,
            live_ratings=live,
        )

    def _tags(
        self, part: log.Slice, wanted: Ints, weight: Floats
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """The tags of live ratings, as JSON, of the prompts of the `wanted` events right after each; and the ratings
        that the slice brings to life."""
        live: dict[tuple[int, int], tuple[Any, ...]] = {}
        texts: list[str] = []
        rated = np.flatnonzero((part.kind == _RATING) & (weight > 0.0)).tolist()
        at = 0
        for i, prompt in zip(wanted.tolist(), part.prompt[wanted].tolist(), strict=True):
            while at < len(rated) and rated[at] <= i:
                live[int(part.prompt[rated[at]]), int(part.actor[rated[at]])] = self._rate(
                    part, rated[at]
                )
                at += 1
            texts.append(self._tallies[prompt].text)
        return texts, list(live.values())

    def _counted(self, prompts: Ints) -> dict[int, int]:
        """How many events these prompts have, those of the slice added."""
        events: dict[int, int] = {}
        distinct, counts = np.unique(prompts, return_counts=True)
        for prompt, count in zip(distinct.tolist(), counts.tolist(), strict=True):
            tally = self._tallies[prompt]
            tally.events += count
            events[prompt] = tally.events
        return events

    def _rate(self, part: log.Slice, i: int) -> tuple[Any, ...]:
        """Let a rating take the place of the same rater's earlier one."""
        rated = (int(part.prompt[i]), int(part.actor[i]))
        tally = self._tallies[rated[0]]
        tally.tags.subtract(self._ratings.get(rated, []))
        tags = list(part.tags[i])
        self._ratings[rated] = tags
        tally.tags.update(tags)
        tally.tags = +tally.tags
        tally.text = _text(tally.tags)
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
                    tags = Counter(counted)
                    self._tallies[pk] = _Tally(events=events, tags=tags, text=_text(tags))
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


def _last_by(keys: Ints) -> Ints:
    """Where each key appears last, in order."""
    _, before_last = np.unique(keys[::-1], return_index=True)
    return np.sort(keys.size - 1 - before_last)


def _text(tags: Mapping[str, int]) -> str:
    return json.dumps(dict(sorted(tags.items())))


def _quantile(mean: Floats, n: Floats, level: float) -> Floats:
    return np.asarray(special.betaincinv(mean * n, (1.0 - mean) * n, level), dtype=float)
