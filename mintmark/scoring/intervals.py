"""The 90% interval of an expected score, and whether 90% intervals contain 90% of scores.

The pair model says that η is Gaussian. On the scale of scores this has a mean and a variance; the interval is that of
the Beta distribution with the same mean and the variance times a learned scale (near 0 and 1, where half of all prompts
may score exactly 0, a Beta fits measured cells better than the Gaussian's own quantiles do: see docs/prediction.md).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mintmark.scoring.pair_model import Floats
from mintmark.scoring.pair_priors import PairPolicy
from mintmark.scoring.posterior import MASSES, POINTS

Link = tuple[float, float, float]

LINK_SD = 0.3
MIN_INFORMATIVE_RUNS = 10.0
"""A mean of fewer binary runs is too coarse to fall outside an interval; it is not counted."""

SCALES: Floats = np.exp2(np.arange(-24, 33) / 8.0)
MIN_INFORMATIVE_SCORES = 200
DOUBT_NATS = 2.0


def logistic(eta: Floats) -> Floats:
    result: Floats = special.expit(eta)
    return result


def logistic_moments(logit_mean: Floats, logit_sd: Floats) -> tuple[Floats, Floats]:
    """Return mean and variance of σ(η) for Gaussian η, each of the same shape."""
    mean = np.zeros_like(logit_mean)
    square = np.zeros_like(logit_mean)
    for point, mass in zip(POINTS, MASSES, strict=True):
        p = logistic(logit_mean + point * logit_sd)
        mean += mass * p
        square += mass * p * p
    return mean, np.maximum(square - mean * mean, 0.0)


def expected_scores(
    policy: PairPolicy, logit_mean: Floats, logit_sd: Floats
) -> tuple[Floats, Floats]:
    """Return expected scores under the policy's link, and their variances, interval scale applied.

    The only function from η to scores: element by element, so the bits do not depend on the batch.
    """
    raw, variance = logistic_moments(logit_mean, logit_sd)
    mean, slope = apply_link(raw, (policy.link_low, policy.link_high, policy.link_shift))
    return mean, policy.interval_scale * variance * slope * slope


def apply_link(p: Floats, link: Link) -> tuple[Floats, Floats]:
    """Return `posterior.apply_link` of each p, and its derivative."""
    low, high, shift = link
    if link == (1.0, 1.0, 0.0):
        return p, np.ones_like(p)
    p = np.clip(p, 1e-12, 1.0 - 1e-12)
    mean = logistic(special.xlogy(low, p) - special.xlog1py(high, -p) + shift)
    return mean, mean * (1.0 - mean) * (low / p + high / (1.0 - p))


def learn_link(*, mean: Floats, score: Floats, runs: Floats) -> Link:
    """Return the (low, high, shift) under which expected scores fit measured ones best.

    Logistic regression on (ln p, −ln(1−p), 1), by Newton steps, held to (1, 1, 0) as by a Gaussian
    of standard deviation `LINK_SD`; an exponent that would turn the order of scores is cut at 0.1.
    """
    if score.size == 0:
        return 1.0, 1.0, 0.0
    p = np.clip(mean, 1e-9, 1.0 - 1e-9)
    x = np.stack([np.log(p), -np.log1p(-p), np.ones_like(p)], axis=1)
    weight = np.minimum(runs, MIN_INFORMATIVE_RUNS)
    start = np.array([1.0, 1.0, 0.0])
    link = start.copy()
    for _ in range(20):
        at = logistic(x @ link)
        gradient = x.T @ (weight * (score - at)) - (link - start) / LINK_SD**2
        curvature = (x * (weight * at * (1.0 - at))[:, None]).T @ x + np.eye(3) / LINK_SD**2
        step = np.linalg.solve(curvature, gradient)
        link = link + step / max(1.0, float(np.abs(step).max()) / 0.5)
        if float(np.abs(step).max()) < 1e-7:
            break
    return max(0.1, float(link[0])), max(0.1, float(link[1])), float(link[2])


def beta_shape(mean: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Return (a, b) of the Beta with this mean and variance, kept proper and finite."""
    mean = np.clip(mean, 1e-9, 1.0 - 1e-9)
    room = mean * (1.0 - mean)
    share = np.clip(variance / room, 1e-9, 0.95)
    size = 1.0 / share - 1.0
    return mean * size, (1.0 - mean) * size


def interval(mean: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Return the central 90% of the Beta with this mean and variance."""
    a, b = beta_shape(mean, variance)
    return special.betaincinv(a, b, 0.05), special.betaincinv(a, b, 0.95)


def is_informative(score: Floats, runs: Floats) -> NDArray[np.bool_]:
    """Say which scores can fall outside an interval: of many runs, or of an unknown number."""
    result: NDArray[np.bool_] = (runs >= MIN_INFORMATIVE_RUNS) | ~_is_whole(score, runs)
    return result


def compute_mid_p(*, mean: Floats, variance: Floats, score: Floats, runs: Floats) -> Floats:
    """Return the quantile of each score in its predictive distribution, in [0,1]; shape (n,).

    The score is the mean of `runs` binary runs whose chance is Beta distributed. The quantile is P(less) + P(same)/2,
    the mid-p probability integral transform, so binomial noise of the measured score is allowed for. A score that so
    many runs cannot give (0.37 in 1 run) is taken as exact.
    """
    a, b = beta_shape(mean, variance)
    is_whole = _is_whole(score, runs)
    positions: Floats = special.betainc(a, b, score)
    if is_whole.any():
        # Quadrature over the Beta's own quantiles; its ends matter little to the middle 90%.
        levels = (np.arange(64) + 0.5) / 64.0
        p = special.betaincinv(a[is_whole, None], b[is_whole, None], levels)
        n = runs[is_whole, None]
        hits = np.rint(score * runs)[is_whole, None]
        up_to = np.where(hits >= n, 1.0, special.betaincc(hits + 1.0, np.maximum(n - hits, 1.0), p))
        below = np.where(
            hits <= 0.0, 0.0, special.betaincc(np.maximum(hits, 1.0), n - hits + 1.0, p)
        )
        positions[is_whole] = 0.5 * (up_to + below).mean(axis=1)
    return positions


def coverage(*, mean: Floats, variance: Floats, score: Floats, runs: Floats) -> float | None:
    """Return the share of informative scores inside their central 90%, None where no score is informative.

    With more than 20,000 informative scores, every k-th is used.
    """
    chosen = np.flatnonzero(is_informative(score, runs))
    if chosen.size == 0:
        return None
    chosen = chosen[:: 1 + chosen.size // 20_000]
    positions = compute_mid_p(
        mean=mean[chosen], variance=variance[chosen], score=score[chosen], runs=runs[chosen]
    )
    return float(((positions >= 0.05) & (positions <= 0.95)).mean())


def learn_scale(*, mean: Floats, variance: Floats, score: Floats, runs: Floats) -> float:
    """Return the factor on the variance of expected scores under which 90% intervals contain 90%.

    From informative scores where there are `MIN_INFORMATIVE_SCORES`: the smallest scale at which 90% are inside.
    Otherwise from how much more than binomially scores of 2 runs and more spread (beta-binomial likelihood): not the
    most likely scale but the largest one within `DOUBT_NATS` of it, no further than twofold, since an interval of
    uncertain width must err on the wide side. 1 if no event has several runs.
    """
    informative = np.flatnonzero(is_informative(score, runs))
    if informative.size >= MIN_INFORMATIVE_SCORES:
        informative = informative[:: 1 + informative.size // 4_000]
        m, v, y, n = mean[informative], variance[informative], score[informative], runs[informative]
        low, high = 0, SCALES.size - 1
        while low < high:
            middle = (low + high) // 2
            inside = coverage(mean=m, variance=SCALES[middle] * v, score=y, runs=n)
            if inside is not None and inside >= 0.90:
                high = middle
            else:
                low = middle + 1
        return float(SCALES[low])
    several = runs > 1.0
    if not several.any():
        return 1.0
    m, v, y, n = mean[several], variance[several], score[several], runs[several]
    fit = np.array([_log_likelihood(m, c * v, y * n, n) for c in SCALES])
    fit -= 0.5 * np.log(SCALES) ** 2
    best = int(np.argmax(fit))
    plausible = np.flatnonzero(fit >= fit[best] - DOUBT_NATS)
    return float(min(SCALES[plausible[-1]], 2.0 * SCALES[best]))


def _is_whole(score: Floats, runs: Floats) -> NDArray[np.bool_]:
    hits = score * runs
    result: NDArray[np.bool_] = np.abs(hits - np.rint(hits)) < 1e-6 * np.maximum(1.0, runs)
    return result


def _log_likelihood(mean: Floats, variance: Floats, hits: Floats, runs: Floats) -> float:
    a, b = beta_shape(mean, variance)
    return float((special.betaln(a + hits, b + runs - hits) - special.betaln(a, b)).sum())
