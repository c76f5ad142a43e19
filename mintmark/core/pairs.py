"""How well will prompt p do for assistant a on ritual g? One Gaussian parameter a cause.

On the logit scale, with x the centred and scaled features of the prompt's wording,

    η = μ + β_g + π_p + χ_ap + x·(f + f_g) + exp(λ_p)·(α_a + γ_ag) + x·(f_a + f_ag)

Every parameter is a Gaussian with mean and variance of its own and a prior (0, τ²) whose τ² belongs
to its block and is learned (`priors`). An event moves each parameter once, through its derivative
∂η/∂k, by assumed-density filtering (Opper, 1998; as in Glickman's ratings, 1999): the one number
that an event speaks about is η, with prior mean m and variance S = Σ(∂η/∂k)²·v_k; its posterior
under the binomial likelihood is found on that line and shared out in proportion to v_k·∂η/∂k.
Forgetting pulls a parameter back to its prior with half-life H. O(width of x) an event, one pass.

exp(λ_p) is the discrimination of a two-parameter logistic model (Birnbaum, 1968): some prompts
separate strong assistants from weak, others do not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mintmark.core.jit import njit
from mintmark.core.pair_policy import PairPolicy

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LN2 = 0.6931471805599453
TWO_PI = 2.0 * math.pi
HALF_LN_TWO_PI = 0.9189385332046727
SPACING = 0.75
MOST_LEARNED = 1.0 - 1e-9

LEVER = 2.0
"""∂η/∂λ is cut to this times d: far out, a straight line is no picture of exp(λ)·strength."""

# The standard Gaussian on 21 points, for means over it.
POINTS = np.array([0.5 * k for k in range(-10, 11)])
MASSES = np.array([math.exp(-0.125 * k * k) for k in range(-10, 11)])
MASSES /= math.fsum(MASSES)


@dataclass(slots=True)
class Block:
    """Parameters of one kind: row i of `mean`, `variance` and `touched` is one stored row.

    `mean`, `variance` (n, k); `touched` (n,) in days since the epoch, nan for a row that no event
    has moved (its numbers are the prior).
    """

    mean: Floats
    variance: Floats
    touched: Floats

    @classmethod
    def untouched(cls, n: int, prior: Floats) -> Block:
        return cls(
            mean=np.zeros((n, prior.size)),
            variance=np.tile(prior, (n, 1)),
            touched=np.full(n, np.nan),
        )


@dataclass(slots=True)
class PairState:
    """All that the fold remembers. Rows may be loaded and stored one by one.

    `centre_count` (nG,) and `centre_sum` (nG, wording.WIDTH) hold the running mean of the features
    seen on each ritual.
    """

    fleet: Block
    assistant: Block
    ritual: Block
    assistant_ritual: Block
    prompt: Block
    pair: Block
    centre_count: Floats
    centre_sum: Floats

    @classmethod
    def untouched(
        cls,
        *,
        policy: PairPolicy,
        assistants: int,
        rituals: int,
        assistant_rituals: int,
        prompts: int,
        pairs: int,
        reads: bool = True,
    ) -> PairState:
        """Return a state that no event has moved, with so many rows of each kind.

        A state that `reads` no text has no slopes: its sloped blocks are one number wide.
        """
        rows = policy.prior_rows() if reads else policy.prior_rows()[:, :1]
        return cls(
            fleet=Block.untouched(1, rows[0]),
            assistant=Block.untouched(assistants, rows[1]),
            ritual=Block.untouched(rituals, rows[2]),
            assistant_ritual=Block.untouched(assistant_rituals, rows[3]),
            prompt=Block.untouched(prompts, np.array([policy.prompt, policy.discrimination])),
            pair=Block.untouched(pairs, np.array([policy.pair])),
            centre_count=np.zeros(rituals),
            centre_sum=np.zeros((rituals, rows.shape[1] - 1)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PairEvents:
    """Columns of n events, in the order in which they are folded.

    The five indices (n,) int64 point at rows of a `PairState`. `features` (rows of the prompt
    block, wording.WIDTH) holds `wording.features` of each prompt; a row that starts with nan means
    that the text is not known. `score` in [0,1] is the mean of `runs` >= 1 binary runs;
    `at_days` is when it happened, in days since the epoch (all equal where time is not known).
    """

    assistant: Ints
    ritual: Ints
    assistant_ritual: Ints
    prompt: Ints
    pair: Ints
    features: Floats
    score: Floats
    runs: Floats
    at_days: Floats

    def __len__(self) -> int:
        return int(self.score.size)

    def part(self, chosen: slice | NDArray[np.bool_] | Ints) -> PairEvents:
        """Return the chosen events; the features table is shared, not copied."""
        return PairEvents(
            assistant=self.assistant[chosen],
            ritual=self.ritual[chosen],
            assistant_ritual=self.assistant_ritual[chosen],
            prompt=self.prompt[chosen],
            pair=self.pair[chosen],
            features=self.features,
            score=self.score[chosen],
            runs=self.runs[chosen],
            at_days=self.at_days[chosen],
        )


@dataclass(frozen=True, slots=True)
class Effects:
    """What the fold knew about each event before it learned from it, and (`baseline`, `after`)
    once it had; a column is (n,) but for `after`.

    `expected`: predicted mean score, all terms. `baseline`: what a prompt drawn from the fleet
    is now expected to score for this assistant on this ritual (μ + β + α + γ; prompt, pair and
    wording unknown). `logit_mean`, `logit_sd`: of η; the interval scale is not applied.
    `log_evidence`: log probability of this very score in so many runs, in nats. `after` (n, 5):
    of this pairing right after the event, on the logit scale, mean and sd of η and the three terms
    that are the pairing's own (`AFTER` names them).
    """

    expected: Floats
    baseline: Floats
    logit_mean: Floats
    logit_sd: Floats
    log_evidence: Floats
    after: Floats


AFTER = ("mean", "sd", "task", "wording", "own_record")


@njit
def logistic(value: float) -> float:
    if value >= 0.0:
        return 1.0 / (1.0 + math.exp(-value))
    e = math.exp(value)
    return e / (1.0 + e)


@njit
def age_row(
    mean: Floats, variance: Floats, touched: Floats, i: int, prior: Floats, now: float, life: float
) -> None:
    """Pull row i back to its prior by the time since it was touched, and mark it touched now."""
    since = touched[i]
    touched[i] = now
    if not since < now:  # nan: never touched
        return
    r = math.exp(-LN2 * (now - since) / life)
    rr = r * r
    for j in range(prior.size):
        mean[i, j] = r * mean[i, j]
        variance[i, j] = prior[j] - (prior[j] - variance[i, j]) * rr


@njit
def expected_score(mean: float, variance: float) -> float:
    """Return E σ(η) for a Gaussian η, by the trapezoid rule on 21 points (to 1e-6 at sd ≤ 3)."""
    sd = math.sqrt(variance)
    total = 0.0
    for k in range(21):
        total += MASSES[k] * logistic(mean + sd * POINTS[k])
    return total


@njit
def bent(p: float, low: float, high: float, shift: float) -> float:
    """Return σ(low·ln p − high·ln(1−p) + shift): beta calibration (Kull et al., AISTATS 2017)."""
    if low == 1.0 and high == 1.0 and shift == 0.0:
        return p
    p = min(1.0 - 1e-12, max(1e-12, p))
    return logistic(low * math.log(p) - high * math.log(1.0 - p) + shift)


@njit
def log_logistic(value: float) -> float:
    if value >= 0.0:
        return -math.log1p(math.exp(-value))
    return value - math.log1p(math.exp(value))


@njit
def posterior_mode(mean: float, variance: float, score: float, weight: float) -> float:
    """Return the mode of N(η; mean, variance)·σ(η)^(w·y)·(1−σ(η))^(w·(1−y)).

    Newton steps kept inside a bracket: the slope of the log falls everywhere, so the mode lies
    between the prior mean and where the likelihood's pull there would take it.
    """
    pull = variance * weight * (score - logistic(mean))
    low = min(mean, mean + pull)
    high = max(mean, mean + pull)
    eta = min(high, max(low, mean))
    for _ in range(100):
        p = logistic(eta)
        slope = weight * (score - p) - (eta - mean) / variance
        if slope > 0.0:
            low = eta
        else:
            high = eta
        after = eta + slope / (weight * p * (1.0 - p) + 1.0 / variance)
        if after <= low or after >= high:
            after = 0.5 * (low + high)
        if abs(after - eta) <= 1e-7 * (1.0 + abs(eta)):
            return after
        eta = after
    return eta


@njit
def posterior(
    mean: float, variance: float, score: float, weight: float
) -> tuple[float, float, float]:
    """Return mean and variance of η after the event, and the log of ∫ prior × likelihood.

    Trapezoid rule on 21 points about the mode: for such smooth bells its error falls exponentially
    in the spacing (Trefethen & Weideman, SIAM Review 2014). What is left is the cut tail of a very
    wide prior: variance of η to 1e-5 at a prior variance of 1, to some per cent at 50.
    """
    mode = posterior_mode(mean, variance, score, weight)
    p = logistic(mode)
    sd = math.sqrt(1.0 / (weight * p * (1.0 - p) + 1.0 / variance))
    top = weight * (log_logistic(mode) - (1.0 - score) * mode)
    top -= (mode - mean) * (mode - mean) / (2.0 * variance)
    total = 0.0
    first = 0.0
    second = 0.0
    for k in range(-10, 11):
        t = SPACING * k
        eta = mode + sd * t
        height = weight * (log_logistic(eta) - (1.0 - score) * eta)
        height -= (eta - mean) * (eta - mean) / (2.0 * variance)
        mass = math.exp(height - top)
        total += mass
        first += mass * t
        second += mass * t * t
    first /= total
    second = second / total - first * first
    evidence = top + math.log(total * SPACING * sd / math.sqrt(TWO_PI * variance))
    return mode + sd * first, sd * sd * second, evidence


@njit
def log_factorial(value: float) -> float:
    """Return ln Γ(value + 1), value ≥ 0, by Stirling's series after a shift (DLMF 5.11.1).

    Not `math.lgamma`: Python and numba each bring their own, and their last bits differ.
    """
    x = value + 1.0
    shift = 1.0
    while x < 8.0:
        shift *= x
        x += 1.0
    square = 1.0 / (x * x)
    series = (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square / 1680.0))) / x
    return (x - 0.5) * math.log(x) - x + HALF_LN_TWO_PI + series - math.log(shift)


@njit
def log_ways(runs: float, weight: float, score: float) -> float:
    """Return the log of the number of ways to score y in n runs that weigh w; exact at w = n."""
    hits = weight * score
    ways = log_factorial(weight) - log_factorial(hits) - log_factorial(weight - hits)
    return ways + math.log((weight + 1.0) / (runs + 1.0))


@njit
def fold_kernel(
    assistant: Ints,
    ritual: Ints,
    assistant_ritual: Ints,
    prompt: Ints,
    pair: Ints,
    features: Floats,
    score: Floats,
    runs: Floats,
    at_days: Floats,
    scale: Floats,
    prior: Floats,
    prior_prompt: Floats,
    prior_pair: Floats,
    half_life: float,
    correlation: float,
    low: float,
    high: float,
    shift: float,
    mean0: Floats,
    var0: Floats,
    touched0: Floats,
    mean_a: Floats,
    var_a: Floats,
    touched_a: Floats,
    mean_g: Floats,
    var_g: Floats,
    touched_g: Floats,
    mean_ag: Floats,
    var_ag: Floats,
    touched_ag: Floats,
    mean_p: Floats,
    var_p: Floats,
    touched_p: Floats,
    mean_ap: Floats,
    var_ap: Floats,
    touched_ap: Floats,
    centre_count: Floats,
    centre_sum: Floats,
    expected: Floats,
    baseline: Floats,
    logit_mean: Floats,
    logit_sd: Floats,
    log_evidence: Floats,
    stands: Floats,
) -> None:
    """Fold events one by one into the state, in place; write a row of effects for each."""
    width = prior.shape[1]
    x = np.zeros(width)
    x[0] = 1.0
    for i in range(score.size):
        a = assistant[i]
        g = ritual[i]
        ag = assistant_ritual[i]
        p = prompt[i]
        ap = pair[i]

        # The log's clock never runs back; a late event is folded now and weighs less for its age.
        now = at_days[i]
        clock = touched0[0]
        late = 0.0
        if clock > now:
            late = clock - now
            now = clock
        age_row(mean0, var0, touched0, 0, prior[0], now, half_life)
        age_row(mean_a, var_a, touched_a, a, prior[1], now, half_life)
        age_row(mean_g, var_g, touched_g, g, prior[2], now, half_life)
        age_row(mean_ag, var_ag, touched_ag, ag, prior[3], now, half_life)
        age_row(mean_p, var_p, touched_p, p, prior_prompt, now, half_life)
        age_row(mean_ap, var_ap, touched_ap, ap, prior_pair, now, half_life)

        used = 1
        if width > 1 and features[p, 0] == features[p, 0]:
            used = width
            centre_count[g] += 1.0
            for j in range(1, width):
                centre_sum[g, j - 1] += features[p, j - 1]
                x[j] = (features[p, j - 1] - centre_sum[g, j - 1] / centre_count[g]) * scale[j - 1]

        d = math.exp(mean_p[p, 1])
        strength = mean_a[a, 0] + mean_ag[ag, 0]
        level = mean0[0, 0] + mean_g[g, 0]
        own = var0[0, 0] + var_g[g, 0]
        shared = var_a[a, 0] + var_ag[ag, 0]
        s = own + d * d * shared + var_p[p, 0] + var_ap[ap, 0]
        lever = d * min(LEVER, max(-LEVER, strength))
        s += lever * lever * var_p[p, 1]
        m = level + d * strength + mean_p[p, 0] + mean_ap[ap, 0]
        for j in range(1, used):
            m += x[j] * (mean0[0, j] + mean_g[g, j] + mean_a[a, j] + mean_ag[ag, j])
            s += x[j] * x[j] * (var0[0, j] + var_g[g, j] + var_a[a, j] + var_ag[ag, j])

        expected[i] = bent(expected_score(m, s), low, high, shift)
        logit_mean[i] = m
        logit_sd[i] = math.sqrt(s)

        weight = runs[i] / (1.0 + (runs[i] - 1.0) * correlation)
        weight *= math.exp(-LN2 * late / half_life)
        after, left, log_evidence[i] = posterior(m, s, score[i], weight)
        log_evidence[i] += log_ways(runs[i], weight, score[i])
        gain = (after - m) / s
        # Never quite all of a variance, whatever rounding says.
        loss = min((s - left) / (s * s), MOST_LEARNED / s)

        v = var0[0, 0]
        mean0[0, 0] += v * gain
        var0[0, 0] = v - v * v * loss
        v = var_g[g, 0]
        mean_g[g, 0] += v * gain
        var_g[g, 0] = v - v * v * loss
        v = var_p[p, 0]
        mean_p[p, 0] += v * gain
        var_p[p, 0] = v - v * v * loss
        v = var_ap[ap, 0]
        mean_ap[ap, 0] += v * gain
        var_ap[ap, 0] = v - v * v * loss
        v = var_a[a, 0] * d
        mean_a[a, 0] += v * gain
        var_a[a, 0] -= v * v * loss
        v = var_ag[ag, 0] * d
        mean_ag[ag, 0] += v * gain
        var_ag[ag, 0] -= v * v * loss
        v = var_p[p, 1] * lever
        mean_p[p, 1] += v * gain
        var_p[p, 1] -= v * v * loss
        for j in range(1, used):
            xg = x[j] * gain
            xl = x[j] * x[j] * loss
            v = var0[0, j]
            mean0[0, j] += v * xg
            var0[0, j] = v - v * v * xl
            v = var_g[g, j]
            mean_g[g, j] += v * xg
            var_g[g, j] = v - v * v * xl
            v = var_a[a, j]
            mean_a[a, j] += v * xg
            var_a[a, j] = v - v * v * xl
            v = var_ag[ag, j]
            mean_ag[ag, j] += v * xg
            var_ag[ag, j] = v - v * v * xl

        # As learned from this event too: while the fleet is new, what was believed before is far off.
        level = mean0[0, 0] + mean_g[g, 0] + mean_a[a, 0] + mean_ag[ag, 0]
        spread = var0[0, 0] + var_g[g, 0] + var_a[a, 0] + var_ag[ag, 0]
        anybody = expected_score(level, spread + prior_prompt[0] + prior_pair[0])
        baseline[i] = bent(anybody, low, high, shift)

        words = 0.0
        for j in range(1, used):
            words += x[j] * (mean_a[a, j] + mean_ag[ag, j])
        stands[i, 0] = after
        stands[i, 1] = math.sqrt(left)
        stands[i, 2] = math.exp(mean_p[p, 1]) * mean_ag[ag, 0]
        stands[i, 3] = words
        stands[i, 4] = mean_ap[ap, 0]


def fold(policy: PairPolicy, state: PairState, events: PairEvents) -> Effects:
    """Fold `events` into `state`, in place and strictly one by one; return what was expected.

    Slicing the log differently gives the same bits. A late event (older than the newest one folded)
    is folded at its arrival, its weight halved for every half-life it is late. Cost: O(n·WIDTH).
    """
    n = len(events)
    effects = Effects(
        expected=np.empty(n),
        baseline=np.empty(n),
        logit_mean=np.empty(n),
        logit_sd=np.empty(n),
        log_evidence=np.empty(n),
        after=np.empty((n, 5)),
    )
    prior = policy.prior_rows()[:, : state.fleet.mean.shape[1]]
    reads = bool(prior[:, 1:].any())
    fold_kernel(
        events.assistant,
        events.ritual,
        events.assistant_ritual,
        events.prompt,
        events.pair,
        events.features,
        events.score,
        events.runs,
        events.at_days,
        np.asarray(policy.feature_scale),
        np.ascontiguousarray(prior if reads else prior[:, :1]),
        np.array([policy.prompt, policy.discrimination]),
        np.array([policy.pair]),
        policy.half_life_days,
        policy.run_correlation,
        policy.link_low,
        policy.link_high,
        policy.link_shift,
        state.fleet.mean,
        state.fleet.variance,
        state.fleet.touched,
        state.assistant.mean,
        state.assistant.variance,
        state.assistant.touched,
        state.ritual.mean,
        state.ritual.variance,
        state.ritual.touched,
        state.assistant_ritual.mean,
        state.assistant_ritual.variance,
        state.assistant_ritual.touched,
        state.prompt.mean,
        state.prompt.variance,
        state.prompt.touched,
        state.pair.mean,
        state.pair.variance,
        state.pair.touched,
        state.centre_count,
        state.centre_sum,
        effects.expected,
        effects.baseline,
        effects.logit_mean,
        effects.logit_sd,
        effects.log_evidence,
        effects.after,
    )
    return effects
