"""Volatility, mutation bias and gains recover what they were simulated from, over 200 seeds.

What is asked of a mean over the seeds is that it lies within its own 99% interval of the truth; where
an estimate is shrunk, the truth is what its weight promises (docs/measuring.md says so, too).
"""

from __future__ import annotations

import numpy as np
import pytest

from mintmark.common.evidence_kinds import EvidenceKind
from mintmark.scoring import pair_measures, pair_model, paired_effects
from mintmark.scoring.pair_model import Floats, Ints
from mintmark.scoring.pair_priors import PairPolicy

SEEDS = range(200)
POLICY = PairPolicy()
CHANCE_99 = 2.5758


def meets(estimates: Floats, truth: float) -> bool:
    """Whether the estimates' mean lies within its 99% interval of the truth."""
    error = float(estimates.std(ddof=1)) / len(estimates) ** 0.5
    return abs(float(estimates.mean()) - truth) <= CHANCE_99 * error


def fold(
    *, kind: Ints, prompt: Ints, score: Floats, runs: Floats, known: Floats | None = None
) -> pair_measures.PairMeasureState:
    """One assistant on one ritual through both kernels; prompt 1 is its fork of prompt 0.

    `known` stands in for what the pair model expects and takes for average, where the model is not what is asked.
    """
    n = len(kind)
    zero, prompts = np.zeros(n, dtype=np.int64), int(prompt.max()) + 1
    told = pair_model.fold(
        POLICY,
        pair_model.PairState.create_initial(
            policy=POLICY,
            assistants=1,
            rituals=1,
            assistant_rituals=1,
            prompts=prompts,
            pairs=prompts,
            reads_text=False,
        ),
        pair_model.PairEvents(
            assistant=zero,
            ritual=zero,
            assistant_ritual=zero,
            prompt=prompt,
            pair=prompt,
            features=np.full((prompts, 1), np.nan),
            score=score,
            runs=runs,
            at_days=np.zeros(n),
        ),
    )
    state = pair_measures.PairMeasureState.create_initial(pairs=prompts, prompts=prompts)
    if prompts > 1:
        state.pairs.parent[1], state.pairs.forked[1] = 0, True
    pair_measures.fold(
        state,
        pair_measures.MeasureEvents(
            kind=kind,
            prompt=prompt,
            pair=prompt,
            score=score,
            runs=runs,
            expected=told.expected if known is None else known,
            baseline=told.baseline if known is None else known,
        ),
    )
    return state


def read(state: pair_measures.PairMeasureState, prompt: int) -> pair_measures.PairMeasures:
    at = np.array([prompt])
    return pair_measures.measure_pairs(state, pairs=at, prompts=at)


def dreams(
    seed: int, *, spread: float, replays: int, runs: int, known: bool
) -> tuple[float, float, float]:
    """Volatility read, its square before shrinking, and the weight, after a frame's chance was 0.65 ± spread.

    The prompt and 20 others were measured in 100 runs each before.
    """
    rng = np.random.default_rng(seed)
    chance = np.concatenate(
        [
            np.clip(0.65 + 0.1 * rng.standard_normal(20), 0.02, 0.98),
            [0.65],
            0.65 + spread * rng.choice([-1.0, 1.0], replays),
        ]
    )
    many = np.concatenate([np.full(21, 100), np.full(replays, runs)])
    state = fold(
        kind=np.array(
            [EvidenceKind.OUTCOME] * 21 + [EvidenceKind.REPLAY] * replays, dtype=np.int64
        ),
        prompt=np.array([*range(1, 21), *([0] * (replays + 1))], dtype=np.int64),
        score=rng.binomial(many, chance) / many,
        runs=many.astype(float),
        known=np.full(chance.size, 0.65) if known else None,
    )
    weight = float(state.pairs.spread_weight[0])
    square = float(state.pairs.spread[0]) / weight
    return float(read(state, 0).dreamframe_volatility[0]), square, weight


@pytest.mark.parametrize("spread", [0.0, 0.1, 0.2])
@pytest.mark.parametrize(("replays", "runs"), [(20, 20), (100, 5)])
def test_replays_recover_how_far_frames_spread_as_far_as_runs_can_tell(
    spread: float, replays: int, runs: int
) -> None:
    told = [dreams(s, spread=spread, replays=replays, runs=runs, known=True) for s in SEEDS]
    _, squares, weights = np.array(told).T
    # n runs show 1 − 1/n of the variance between frames: a single run shows nothing of it.
    assert meets(squares, spread**2 * (1.0 - 1.0 / runs))
    for volatility, square, weight in told[:20]:
        assert volatility == pytest.approx(max(0.0, square * weight / (weight + 10.0)) ** 0.5)
    assert weights[0] == pytest.approx(replays * runs / (1.0 + (runs - 1.0) * 0.05))


@pytest.mark.parametrize("spread", [0.1, 0.2])
def test_volatility_with_what_the_pair_model_expects_is_off_by_less_than_a_reading_scatters(
    spread: float,
) -> None:
    told = np.array([dreams(s, spread=spread, replays=20, runs=20, known=False)[0] for s in SEEDS])
    promised = spread * (1.0 - 1.0 / 20.0) ** 0.5
    assert abs(told.mean() - promised) < min(0.02, told.std())
    assert np.mean(np.abs(told - spread) <= 1.645 * told.std()) >= 0.85


def drift(seed: int, *, gain: float, runs: int, known: bool) -> float:
    """Mutation bias after a parent of 0.6 and its fork of 0.6 + gain were measured in turn, 10 times `runs` runs each.

    20 other prompts were measured in 100 runs each before.
    """
    rng = np.random.default_rng(seed)
    prompt = np.array([*range(2, 22), *([0] * 5), *([1, 0] * 10)], dtype=np.int64)
    chance = np.where(prompt == 1, 0.6 + gain, 0.6)
    chance[:20] = np.clip(0.6 + 0.1 * rng.standard_normal(20), 0.02, 0.98)
    # Before the fork the parent did worse; that must not count.
    chance[20:25] = 0.3
    many = np.where(prompt > 1, 100, runs)
    state = fold(
        kind=np.zeros(prompt.size, dtype=np.int64),
        prompt=prompt,
        score=rng.binomial(many, chance) / many,
        runs=many.astype(float),
        known=np.full(prompt.size, 0.55) if known else None,
    )
    return float(read(state, 1).mutation_bias[0])


@pytest.mark.parametrize("gain", [-0.2, 0.0, 0.15])
@pytest.mark.parametrize("runs", [2, 20])
def test_mutation_bias_is_the_difference_shrunk_by_the_stated_weight(
    gain: float, runs: int
) -> None:
    told = np.array([drift(s, gain=gain, runs=runs, known=True) for s in SEEDS])
    comparison = 10.0 * runs / 2.0
    if runs == 20:
        # The parent's first event after the fork comes after the child's: all 10 of each count.
        assert meets(told, gain * comparison / (comparison + 20.0))
    assert meets(told * (comparison + 20.0) / comparison, gain)


@pytest.mark.parametrize("gain", [-0.2, 0.0, 0.15])
def test_mutation_bias_with_the_pair_models_baseline_is_off_by_less_than_a_reading_scatters(
    gain: float,
) -> None:
    told = np.array([drift(s, gain=gain, runs=20, known=False) for s in SEEDS])
    assert abs(told.mean() - gain * 100.0 / 120.0) < min(0.02, told.std())


def gained(
    seed: int, *, assistants: int, runs: int, parent: float, apart: float
) -> tuple[float, float, float, float]:
    """Value, low, high of a measured gain and what it truly was, the mean over these assistants."""
    rng = np.random.default_rng(seed)
    before = np.full(assistants, parent)
    after = np.clip(parent - 0.08 + apart * rng.standard_normal(assistants), 0.01, 0.99)
    many = np.full(assistants, runs)
    value, low, high, _ = paired_effects.pool_effects(
        paired_effects.compare_per_stratum(
            child=rng.binomial(many, after) / many,
            child_runs=many.astype(float),
            parent=rng.binomial(many, before) / many,
            parent_runs=many.astype(float),
        )
    )
    return value, low, high, float((after - before).mean())


@pytest.mark.parametrize("parent", [0.5, 0.95])
@pytest.mark.parametrize("apart", [0.0, 0.1])
@pytest.mark.parametrize(("assistants", "runs"), [(1, 20), (1, 100), (3, 10), (16, 20)])
def test_gains_recover_the_truth_and_their_intervals_hold_nine_tenths_of_it(
    parent: float, apart: float, assistants: int, runs: int
) -> None:
    told = np.array(
        [gained(s, assistants=assistants, runs=runs, parent=parent, apart=apart) for s in SEEDS]
    )
    value, low, high, truth = told.T
    assert meets(value - truth, 0.0)
    # 200 draws of 0.9 fall below 0.845 once in a hundred times.
    assert np.mean((low <= truth) & (truth <= high)) >= 0.845


def test_a_share_of_all_or_none_still_leaves_a_gain_in_doubt() -> None:
    ten = np.array([10.0])
    told = paired_effects.compare_per_stratum(
        child=np.array([1.0]), child_runs=ten, parent=np.array([1.0]), parent_runs=ten
    )
    assert (told.value[0], told.low[0] < -0.1, told.high[0] > 0.1) == (0.0, True, True)
