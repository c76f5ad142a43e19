"""Learn the pair model's priors from a log, by how well the log's past predicts its future.

Coordinate search over the logarithm of each prior variance (and of the half-life, where events
carry times, and of the correlation of runs). A trial is one online pass over the events, scored by
its prequential log loss (Dawid, 1984): each event is predicted from those before it. Steps of ×4,
then ×2, then ×√2. A weak penalty towards the defaults keeps a young log sane,
and its heavy tail lets a long one go wherever it will.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mintmark.core import intervals, pairs, wording
from mintmark.core.pair_policy import DEFAULT, PairPolicy
from mintmark.core.pairs import Floats, Ints, PairEvents

STEPS = (4.0, 2.0, math.sqrt(2.0))
HALF_LIVES = (45.0, 90.0, 180.0, 365.0, 730.0, 1460.0, 5840.0, 1e6)
SEARCHED_EVENTS = 40_000

PENALTY_SCALE = 2.5
"""Scale, in natural logarithms, of the Cauchy penalty on a prior variance far from its default."""


@dataclass(frozen=True, slots=True)
class _Dial:
    """One number of the policy that the search may turn, within bounds."""

    name: str
    low: float
    high: float


# Not the fleet's own level: one number is no sample to learn a variance from.
LEVELS = (
    _Dial("assistant_ritual", 1e-4, 64.0),
    _Dial("assistant", 1e-4, 64.0),
    _Dial("prompt", 1e-4, 64.0),
    _Dial("pair", 1e-4, 64.0),
    _Dial("ritual", 1e-4, 64.0),
    _Dial("discrimination", 1e-4, 1.0),
)
SLOPES = tuple(
    _Dial(f"{kind}_{block}", 1e-8, 4.0)
    for kind in ("slope", "hashed")
    for block in ("assistant_ritual", "assistant", "ritual", "fleet")
)
RUNS = _Dial("run_correlation", 1e-5, 1.0)


def learn(
    events: PairEvents,
    *,
    half_lives: Sequence[float] = HALF_LIVES,
    start: PairPolicy = DEFAULT,
    searched_events: int = SEARCHED_EVENTS,
    progress: Callable[[str], None] = lambda _: None,
) -> PairPolicy:
    """Return the policy under which `events`, in their order, were predicted best.

    Only the newest `searched_events` are used. Half-lives are tried only where times differ, run
    correlation only where an event has several runs, slopes only where texts are known.
    Deterministic; about 100 passes.
    """
    recent = events.part(slice(max(0, len(events) - searched_events), None))
    if len(recent) == 0:
        return start
    recent = compact(recent)
    policy = replace(start, feature_scale=feature_scale(recent))
    reads = bool((~np.isnan(recent.features[:, 0])).any())
    if not reads:
        policy = policy.without_wording()
    dials = LEVELS + (SLOPES if reads else ())
    if float(recent.runs.max()) > 1.0:
        dials += (RUNS,)
    trials: dict[PairPolicy, float] = {}

    def cost(candidate: PairPolicy) -> float:
        if candidate not in trials:
            trials[candidate] = prequential_loss(candidate, recent) + _penalty(
                candidate, start, dials
            )
            progress(f"trial {len(trials)}: {trials[candidate] / len(recent):.5f}")
        return trials[candidate]

    best = cost(policy)
    for step in STEPS:
        if np.ptp(recent.at_days) > 1.0:
            for half_life in half_lives:
                candidate = replace(policy, half_life_days=half_life)
                if cost(candidate) < best:
                    policy, best = candidate, cost(candidate)
        for dial in dials:
            policy, best = _turn(dial, policy, best, step, cost)
    return _calibrated(policy, recent)


def _turn(
    dial: _Dial,
    policy: PairPolicy,
    best: float,
    step: float,
    cost: Callable[[PairPolicy], float],
) -> tuple[PairPolicy, float]:
    """Walk one dial up or down by `step` for as long as that helps."""
    for factor in (step, 1.0 / step):
        moved = False
        while True:
            value = getattr(policy, dial.name) * factor
            if not dial.low <= value <= dial.high:
                break
            candidate = replace(policy, **{dial.name: value})
            if cost(candidate) >= best:
                break
            policy, best, moved = candidate, cost(candidate), True
        if moved:
            break
    return policy, best


def prequential_loss(policy: PairPolicy, events: PairEvents) -> float:
    """Return −log probability, in nats, of all scores in one online pass from an untouched state.

    For single runs this is the summed log loss; for a mean of several it also asks that the
    spread be right, which is what tells a pair's own variance from noise.
    """
    effects = pairs.fold(policy, untouched(policy, events), events)
    return -float(effects.log_evidence.sum())


def _calibrated(policy: PairPolicy, events: PairEvents) -> PairPolicy:
    """Learn link and interval scale where the fold has found its feet: after the first quarter."""
    policy = replace(policy, link_low=1.0, link_high=1.0, link_shift=0.0, interval_scale=1.0)
    effects = pairs.fold(policy, untouched(policy, events), events)
    late = slice(len(events) // 4, None)
    score, runs = events.score[late], events.runs[late]
    low, high, shift = intervals.learn_link(mean=effects.expected[late], score=score, runs=runs)
    policy = replace(policy, link_low=low, link_high=high, link_shift=shift)
    mean, variance = intervals.scores(policy, effects.logit_mean[late], effects.logit_sd[late])
    scale = intervals.learn_scale(mean=mean, variance=variance, score=score, runs=runs)
    return replace(policy, interval_scale=scale)


def _penalty(policy: PairPolicy, start: PairPolicy, dials: Sequence[_Dial]) -> float:
    moved = (math.log(getattr(policy, d.name) / getattr(start, d.name)) for d in dials)
    return sum(math.log1p((z / PENALTY_SCALE) ** 2) for z in moved)


def untouched(policy: PairPolicy, events: PairEvents) -> pairs.PairState:
    """Return an untouched state just large enough for `events`.

    Where the features table is one column of nan, no text is known and the state has no slopes.
    """

    def rows(index: Ints) -> int:
        return int(index.max()) + 1 if index.size else 0

    return pairs.PairState.untouched(
        policy=policy,
        assistants=rows(events.assistant),
        rituals=rows(events.ritual),
        assistant_rituals=rows(events.assistant_ritual),
        prompts=len(events.features),
        pairs=rows(events.pair),
        reads=events.features.shape[1] > 1,
    )


def compact(events: PairEvents) -> PairEvents:
    """Return the same events with indices renumbered, so that a state holds only their rows."""
    prompts, prompt = np.unique(events.prompt, return_inverse=True)
    return replace(
        events,
        assistant=_renumbered(events.assistant),
        ritual=_renumbered(events.ritual),
        assistant_ritual=_renumbered(events.assistant_ritual),
        pair=_renumbered(events.pair),
        prompt=prompt.astype(np.int64),
        features=events.features[prompts],
    )


def _renumbered(index: Ints) -> Ints:
    return np.unique(index, return_inverse=True)[1].astype(np.int64)


def feature_scale(events: PairEvents) -> tuple[float, ...]:
    """Return one over each feature's standard deviation within a ritual, capped at 10.

    A feature that does not vary keeps its natural unit.
    """
    known = ~np.isnan(events.features[events.prompt, 0])
    if not known.any():
        return (1.0,) * wording.WIDTH
    both = np.unique(np.stack([events.ritual[known], events.prompt[known]]), axis=1)
    x: Floats = events.features[both[1]]
    counts = np.maximum(1.0, np.bincount(both[0]))[:, None]
    sums = np.zeros((counts.size, wording.WIDTH))
    np.add.at(sums, both[0], x)
    sd = np.sqrt(((x - (sums / counts)[both[0]]) ** 2).mean(axis=0))
    return tuple(float(1.0 / s) if s > 0.1 else (10.0 if s > 0.02 else 1.0) for s in sd)
