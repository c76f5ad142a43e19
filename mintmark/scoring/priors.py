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

from mintmark.scoring import intervals, pair_model, text_features
from mintmark.scoring.pair_model import Floats, Ints, PairEvents
from mintmark.scoring.pair_priors import DEFAULT_PAIR_POLICY, PairPolicy

STEPS = (4.0, 2.0, math.sqrt(2.0))
HALF_LIVES = (45.0, 90.0, 180.0, 365.0, 730.0, 1460.0, 5840.0, 1e6)
SEARCHED_EVENTS = 40_000

PENALTY_SCALE = 2.5
"""Scale, in natural logarithms, of the Cauchy penalty on a prior variance far from its default."""


@dataclass(frozen=True, slots=True)
class _Parameter:
    """One number of the policy that the search may change, within bounds."""

    name: str
    low: float
    high: float


# Without the fleet's own level: one number is too small a sample to learn a variance from.
LEVELS = (
    _Parameter("assistant_ritual", 1e-4, 64.0),
    _Parameter("assistant", 1e-4, 64.0),
    _Parameter("prompt", 1e-4, 64.0),
    _Parameter("pair", 1e-4, 64.0),
    _Parameter("ritual", 1e-4, 64.0),
    _Parameter("discrimination", 1e-4, 1.0),
)
SLOPES = tuple(
    _Parameter(f"{kind}_{block}", 1e-8, 4.0)
    for kind in ("slope", "hashed")
    for block in ("assistant_ritual", "assistant", "ritual", "fleet")
)
RUNS = _Parameter("run_correlation", 1e-5, 1.0)


def learn(
    events: PairEvents,
    *,
    half_lives: Sequence[float] = HALF_LIVES,
    start: PairPolicy = DEFAULT_PAIR_POLICY,
    searched_events: int = SEARCHED_EVENTS,
    progress: Callable[[str], None] = lambda _: None,
) -> PairPolicy:
    """Return the policy under which `events`, in their order, were predicted best.

    Only the newest `searched_events` are used. Half-lives are tried only where times differ, run
    correlation only where an event has several runs, slopes only where texts are known.
    Deterministic; about 100 passes.
    """
    recent = events.select(slice(max(0, len(events) - searched_events), None))
    if len(recent) == 0:
        return start
    recent = compact(recent)
    policy = replace(start, feature_scale=learn_feature_scale(recent))
    reads_text = bool((~np.isnan(recent.features[:, 0])).any())
    if not reads_text:
        policy = policy.without_wording()
    parameters = LEVELS + (SLOPES if reads_text else ())
    if float(recent.runs.max()) > 1.0:
        parameters += (RUNS,)
    trials: dict[PairPolicy, float] = {}

    def cost(candidate: PairPolicy) -> float:
        if candidate not in trials:
            trials[candidate] = prequential_loss(candidate, recent) + _compute_penalty(
                candidate, start, parameters
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
        for parameter in parameters:
            policy, best = _search_parameter(parameter, policy, best, step, cost)
    return _calibrate(policy, recent)


def _search_parameter(
    parameter: _Parameter,
    policy: PairPolicy,
    best: float,
    step: float,
    cost: Callable[[PairPolicy], float],
) -> tuple[PairPolicy, float]:
    """Move one parameter up or down by `step` for as long as that lowers the cost."""
    for factor in (step, 1.0 / step):
        has_moved = False
        while True:
            value = getattr(policy, parameter.name) * factor
            if not parameter.low <= value <= parameter.high:
                break
            candidate = replace(policy, **{parameter.name: value})
            if cost(candidate) >= best:
                break
            policy, best, has_moved = candidate, cost(candidate), True
        if has_moved:
            break
    return policy, best


def prequential_loss(policy: PairPolicy, events: PairEvents) -> float:
    """Return −log probability, in nats, of all scores in one online pass from an untouched state.

    For single runs this is the summed log loss; for a mean of several it also asks that the
    spread be right, which is what tells a pair's own variance from noise.
    """
    effects = pair_model.fold(policy, create_initial_state(policy, events), events)
    return -float(effects.log_evidence.sum())


def _calibrate(policy: PairPolicy, events: PairEvents) -> PairPolicy:
    """Learn link and interval scale from the events after the first quarter, when the fold has settled."""
    policy = replace(policy, link_low=1.0, link_high=1.0, link_shift=0.0, interval_scale=1.0)
    effects = pair_model.fold(policy, create_initial_state(policy, events), events)
    late = slice(len(events) // 4, None)
    score, runs = events.score[late], events.runs[late]
    low, high, shift = intervals.learn_link(mean=effects.expected[late], score=score, runs=runs)
    policy = replace(policy, link_low=low, link_high=high, link_shift=shift)
    mean, variance = intervals.expected_scores(
        policy, effects.logit_mean[late], effects.logit_sd[late]
    )
    scale = intervals.learn_scale(mean=mean, variance=variance, score=score, runs=runs)
    return replace(policy, interval_scale=scale)


def _compute_penalty(
    policy: PairPolicy, start: PairPolicy, parameters: Sequence[_Parameter]
) -> float:
    log_ratios = (math.log(getattr(policy, d.name) / getattr(start, d.name)) for d in parameters)
    return sum(math.log1p((z / PENALTY_SCALE) ** 2) for z in log_ratios)


def create_initial_state(policy: PairPolicy, events: PairEvents) -> pair_model.PairState:
    """Return an untouched state just large enough for `events`.

    Where the features table is one column of nan, no text is known and the state has no slopes.
    """

    def rows(index: Ints) -> int:
        return int(index.max()) + 1 if index.size else 0

    return pair_model.PairState.create_initial(
        policy=policy,
        assistants=rows(events.assistant),
        rituals=rows(events.ritual),
        assistant_rituals=rows(events.assistant_ritual),
        prompts=len(events.features),
        pairs=rows(events.pair),
        reads_text=events.features.shape[1] > 1,
    )


def compact(events: PairEvents) -> PairEvents:
    """Return the same events with indices renumbered, so that a state holds only their rows."""
    prompts, prompt = np.unique(events.prompt, return_inverse=True)
    return replace(
        events,
        assistant=_renumber(events.assistant),
        ritual=_renumber(events.ritual),
        assistant_ritual=_renumber(events.assistant_ritual),
        pair=_renumber(events.pair),
        prompt=prompt.astype(np.int64),
        features=events.features[prompts],
    )


def _renumber(index: Ints) -> Ints:
    return np.unique(index, return_inverse=True)[1].astype(np.int64)


def learn_feature_scale(events: PairEvents) -> tuple[float, ...]:
    """Return one over each feature's standard deviation within a ritual, capped at 10.

    A feature that does not vary keeps its natural unit.
    """
    known = ~np.isnan(events.features[events.prompt, 0])
    if not known.any():
        return (1.0,) * text_features.WIDTH
    ritual_prompts = np.unique(np.stack([events.ritual[known], events.prompt[known]]), axis=1)
    x: Floats = events.features[ritual_prompts[1]]
    counts = np.maximum(1.0, np.bincount(ritual_prompts[0]))[:, None]
    sums = np.zeros((counts.size, text_features.WIDTH))
    np.add.at(sums, ritual_prompts[0], x)
    sd = np.sqrt(((x - (sums / counts)[ritual_prompts[0]]) ** 2).mean(axis=0))
    return tuple(float(1.0 / s) if s > 0.1 else (10.0 if s > 0.02 else 1.0) for s in sd)
