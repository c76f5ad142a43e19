"""Predictions of the folded pair model as of now: trust in any pair and its explanation; which wording works."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mintmark.scoring import intervals, text_features
from mintmark.scoring.pair_model import LN2, MAX_LEVER, Floats, Ints, PairState, ParameterBlock
from mintmark.scoring.pair_priors import WIDTH, PairPolicy

Z_90 = 1.6448536269514722
"""Standard deviations each side of a mean that hold 90% of a Gaussian."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRows:
    """The pairs to predict: five index columns (n,); −1 means never seen.

    `features` (n, text_features.WIDTH) are those of each row's prompt, a row that starts with nan where the text is not
    known; None where no text is. `stand_in` (text_features.WIDTH,) is what to centre on where a ritual has no mean yet,
    such as the text that all rows derive from. `fleet` (n,) is the fleet's row, the first without that column.
    """

    assistant: Ints
    ritual: Ints
    assistant_ritual: Ints
    prompt: Ints
    pair: Ints
    features: Floats | None = None
    stand_in: Floats | None = None
    fleet: Ints | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """Columns (n,).

    `trust` is the expected score in [0,1], `low` and `high` its 90% interval, `variance` that of
    the score behind the interval (scale applied). `baseline` is what a prompt drawn from the fleet
    would be expected to score there. `resonance` in [−1,1] is what the pairing adds to what
    assistant and prompt each predict alone, and is the exact sum of `task`, `wording` and
    `own_record`. `logit_mean` and `logit_sd` are of η, unscaled.
    """

    trust: Floats
    low: Floats
    high: Floats
    variance: Floats
    baseline: Floats
    resonance: Floats
    task: Floats
    wording: Floats
    own_record: Floats
    logit_mean: Floats
    logit_sd: Floats


@dataclass(frozen=True, slots=True)
class _CurrentRows:
    """Rows of one block as of now; a row for index −1, or one that no event touched, is the prior."""

    mean: Floats
    variance: Floats


def _decay_rows(
    block: ParameterBlock, index: Ints, prior: Floats, now_days: float, half_life: float
) -> _CurrentRows:
    known = index >= 0
    rows = np.where(known, index, 0)
    if not block.touched.size:
        shape = (index.size, prior.size)
        return _CurrentRows(np.zeros(shape), np.broadcast_to(prior, shape))
    touched = np.where(known, block.touched[rows], np.nan)
    fresh = np.isnan(touched)
    since = np.maximum(0.0, now_days - np.where(fresh, now_days, touched))
    r = np.where(fresh, 0.0, np.exp(-LN2 * since / half_life))[:, None]
    mean = r * block.mean[rows]
    variance = prior - (prior - block.variance[rows]) * r * r
    return _CurrentRows(mean, variance)


def _get_fleet_rows(rows: PairRows) -> Ints:
    return np.zeros(rows.assistant.size, dtype=np.int64) if rows.fleet is None else rows.fleet


def centre_features(policy: PairPolicy, state: PairState, rows: PairRows) -> Floats:
    """Return x, shape (n, text_features.WIDTH): features less the ritual's mean, scaled.

    Where the ritual has no mean yet (and there is no stand-in), or the text is not known, x is 0: how a text differs
    from those of other rituals shows what the ritual is about, not how good the text is.
    """
    width = state.centre_sum.shape[1]
    if rows.features is None or width == 0:
        return np.zeros((rows.ritual.size, width))
    counts = np.append(state.centre_count, 0.0)[rows.ritual]
    sums = np.vstack([state.centre_sum, np.zeros(width)])[rows.ritual]
    has_mean = counts > 0.0
    centre = sums / np.where(has_mean, counts, 1.0)[:, None]
    if rows.stand_in is not None:
        centre = np.where(has_mean[:, None], centre, rows.stand_in)
        has_mean = np.ones_like(has_mean)
    x: Floats = (rows.features - centre) * np.asarray(policy.feature_scale)
    x[np.isnan(rows.features[:, 0]) | ~has_mean] = 0.0
    return x


def compute_slopes(
    policy: PairPolicy, state: PairState, rows: PairRows, *, now_days: float
) -> tuple[Floats, Floats]:
    """Return mean and variance of f + f_g + f_a + f_ag as of `now_days`, each (n, wording.WIDTH).

    On the logit scale, for one scaled unit of a feature; interval scale not applied.
    """
    prior = policy.prior_rows()
    fleet = _get_fleet_rows(rows)
    blocks = [
        _decay_rows(block, index, prior[level], now_days, policy.half_life_days)
        for level, (block, index) in enumerate(
            (
                (state.fleet, fleet),
                (state.assistant, rows.assistant),
                (state.ritual, rows.ritual),
                (state.assistant_ritual, rows.assistant_ritual),
            )
        )
    ]
    mean = np.sum([block.mean[:, 1:] for block in blocks], axis=0)
    variance = np.sum([block.variance[:, 1:] for block in blocks], axis=0)
    return mean, variance


def predict(policy: PairPolicy, state: PairState, rows: PairRows, *, now_days: float) -> Prediction:
    """Predict each row as of `now_days`, without changing the state.

    An index of −1 (or an untouched row) stands for anybody from the fleet: mean 0, prior variance,
    so the interval is wider. The parts of the resonance are Shapley values of its three terms
    (Shapley, 1953): each the mean, over all orders of leaving terms out, of what leaving it out
    takes away; so they add up whatever the curvature of σ.
    """
    prior = policy.prior_rows()[:, : state.fleet.mean.shape[1]]
    life = policy.half_life_days
    x = centre_features(policy, state, rows)
    squares = x * x
    fleet = _decay_rows(state.fleet, _get_fleet_rows(rows), prior[0], now_days, life)
    assistant = _decay_rows(state.assistant, rows.assistant, prior[1], now_days, life)
    ritual = _decay_rows(state.ritual, rows.ritual, prior[2], now_days, life)
    assistant_ritual = _decay_rows(
        state.assistant_ritual, rows.assistant_ritual, prior[3], now_days, life
    )
    prior_prompt = np.array([policy.prompt, policy.discrimination])
    prompt = _decay_rows(state.prompt, rows.prompt, prior_prompt, now_days, life)
    pair = _decay_rows(state.pair, rows.pair, np.array([policy.pair]), now_days, life)

    d = np.exp(prompt.mean[:, 1])
    strength = assistant.mean[:, 0] + assistant_ritual.mean[:, 0]
    level = fleet.mean[:, 0] + ritual.mean[:, 0]
    shared = (x * (fleet.mean[:, 1:] + ritual.mean[:, 1:])).sum(axis=1)
    task = d * assistant_ritual.mean[:, 0]
    wording_term = (x * (assistant.mean[:, 1:] + assistant_ritual.mean[:, 1:])).sum(axis=1)
    record = pair.mean[:, 0]
    alone = level + shared + d * assistant.mean[:, 0] + prompt.mean[:, 0]
    m = alone + task + wording_term + record

    own = fleet.variance[:, 0] + ritual.variance[:, 0]
    joint = assistant.variance[:, 0] + assistant_ritual.variance[:, 0]
    s = own + d * d * joint + prompt.variance[:, 0] + pair.variance[:, 0]
    s = s + (d * np.clip(strength, -MAX_LEVER, MAX_LEVER)) ** 2 * prompt.variance[:, 1]
    for block in (fleet, ritual, assistant, assistant_ritual):
        s = s + (squares * block.variance[:, 1:]).sum(axis=1)

    sd = np.sqrt(s)
    trust, variance = intervals.expected_scores(policy, m, sd)
    low, high = intervals.interval(trust, variance)
    shares = _shapley(policy, alone, np.stack([task, wording_term, record]), sd)
    anybody = np.sqrt(own + joint + policy.prompt + policy.pair)
    return Prediction(
        trust=trust,
        low=low,
        high=high,
        variance=variance,
        baseline=intervals.expected_scores(policy, level + strength, anybody)[0],
        resonance=shares.sum(axis=0),
        task=shares[0],
        wording=shares[1],
        own_record=shares[2],
        logit_mean=m,
        logit_sd=sd,
    )


def _shapley(policy: PairPolicy, alone: Floats, terms: Floats, sd: Floats) -> Floats:
    """Share E σ(alone + Σ terms) − E σ(alone) out over three terms; shape (3, n)."""

    def score(*included: int) -> Floats:
        return intervals.expected_scores(policy, alone + terms[list(included)].sum(axis=0), sd)[0]

    none, every = score(), score(0, 1, 2)
    single = [score(k) for k in range(3)]
    but = [score(1, 2), score(0, 2), score(0, 1)]
    shares = np.empty_like(terms)
    for k, (i, j) in enumerate(((1, 2), (0, 2), (0, 1))):
        alone_or_last = 2.0 * (single[k] - none) + 2.0 * (every - but[k])
        shares[k] = (alone_or_last + (but[j] - single[i]) + (but[i] - single[j])) / 6.0
    return shares


@dataclass(frozen=True, slots=True)
class WordingEffect:
    """The effect of one readable feature for an assistant, in points of score (0.04 = four points).

    `effect` with its 90% interval `low`..`high` is the change in expected score, from this assistant's usual level, as
    the feature goes from absent to present or, for a counted one, up by one typical difference. `own` is the share of
    it that is this assistant's alone.
    """

    name: str
    label: str
    effect: float
    low: float
    high: float
    own_share: float


def compute_wording_effects(
    policy: PairPolicy,
    state: PairState,
    *,
    assistant: int,
    ritual: int | None = None,
    assistant_ritual: int | None = None,
    fleet: int = 0,
    now_days: float,
) -> tuple[WordingEffect, ...]:
    """Return one effect a readable feature, in the order of `wording.NAMES`.

    Slopes are f + f_a, and with a ritual also f_g (and f_ag where that row exists). −1 or None:
    nothing is known of it.
    """
    prior = policy.prior_rows()

    def row(block: ParameterBlock, index: int | None, level: int) -> _CurrentRows:
        at = np.array([-1 if index is None else index], dtype=np.int64)
        return _decay_rows(block, at, prior[level], now_days, policy.half_life_days)

    blocks = [row(state.fleet, fleet, 0), row(state.assistant, assistant, 1)]
    own = [False, True]
    if ritual is not None:
        blocks += [row(state.ritual, ritual, 2), row(state.assistant_ritual, assistant_ritual, 3)]
        own += [False, True]
    mean = sum((block.mean[0] for block in blocks), np.zeros(WIDTH))
    variance = sum((block.variance[0] for block in blocks), np.zeros(WIDTH))
    alone = sum(
        (b.mean[0] for b, is_own in zip(blocks, own, strict=True) if is_own), np.zeros(WIDTH)
    )

    scale = np.asarray(policy.feature_scale)[: text_features.STYLE]
    is_counted = np.array([feature.counted for feature in text_features.READABLE])
    step = np.where(is_counted, 1.0, scale)
    slope = step * mean[1 : 1 + text_features.STYLE]
    half_width = (
        Z_90 * step * np.sqrt(policy.interval_scale * variance[1 : 1 + text_features.STYLE])
    )
    own_slope = step * alone[1 : 1 + text_features.STYLE]
    level = np.full(text_features.STYLE, mean[0])
    at = intervals.logistic(level)
    effect, low, high = (
        intervals.logistic(level + z) - at for z in (slope, slope - half_width, slope + half_width)
    )
    share = intervals.logistic(level + slope) - intervals.logistic(level + slope - own_slope)
    return tuple(
        WordingEffect(
            f.name, f.label, float(effect[j]), float(low[j]), float(high[j]), float(share[j])
        )
        for j, f in enumerate(text_features.READABLE)
    )
