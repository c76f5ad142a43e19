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

from mintmark.scoring.jit import njit
from mintmark.scoring.pair_priors import PairPolicy
from mintmark.scoring.posterior import apply_link, expected_score, log_ways, posterior

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LN2 = 0.6931471805599453
MAX_LEARNED_SHARE = 1.0 - 1e-9
MAX_LEVER = 2.0
"""∂η/∂λ is cut to this times d: far out, a linear approximation of exp(λ)·strength is poor."""


@dataclass(slots=True)
class ParameterBlock:
    """Parameters of one kind: row i of `mean`, `variance` and `touched` is one stored row.

    `mean`, `variance` (n, k); `touched` (n,) in days since the epoch, nan for a row that no event
    has moved (its numbers are the prior).
    """

    mean: Floats
    variance: Floats
    touched: Floats

    @classmethod
    def create_initial(cls, n: int, prior: Floats) -> ParameterBlock:
        return cls(
            mean=np.zeros((n, prior.size)),
            variance=np.tile(prior, (n, 1)),
            touched=np.full(n, np.nan),
        )


@dataclass(slots=True)
class PairState:
    """The state of the fold. Rows may be loaded and stored one by one.

    `centre_count` (nG,) and `centre_sum` (nG, text_features.WIDTH) hold the running mean of the features seen on each
    ritual.
    """

    fleet: ParameterBlock
    assistant: ParameterBlock
    ritual: ParameterBlock
    assistant_ritual: ParameterBlock
    prompt: ParameterBlock
    pair: ParameterBlock
    centre_count: Floats
    centre_sum: Floats

    @classmethod
    def create_initial(
        cls,
        *,
        policy: PairPolicy,
        assistants: int,
        rituals: int,
        assistant_rituals: int,
        prompts: int,
        pairs: int,
        reads_text: bool = True,
    ) -> PairState:
        """Return a state before any event, with so many rows of each kind.

        A state with `reads_text` False has no slopes: its sloped blocks are one number wide.
        """
        rows = policy.prior_rows() if reads_text else policy.prior_rows()[:, :1]
        return cls(
            fleet=ParameterBlock.create_initial(1, rows[0]),
            assistant=ParameterBlock.create_initial(assistants, rows[1]),
            ritual=ParameterBlock.create_initial(rituals, rows[2]),
            assistant_ritual=ParameterBlock.create_initial(assistant_rituals, rows[3]),
            prompt=ParameterBlock.create_initial(
                prompts, np.array([policy.prompt, policy.discrimination])
            ),
            pair=ParameterBlock.create_initial(pairs, np.array([policy.pair])),
            centre_count=np.zeros(rituals),
            centre_sum=np.zeros((rituals, rows.shape[1] - 1)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PairEvents:
    """Columns of n events, in the order in which they are folded.

    The five indices (n,) int64 point at rows of a `PairState`. `features` (rows of the prompt block,
    text_features.WIDTH) holds the text features of each prompt; a row that starts with nan means that the text is not
    known. `score` in [0,1] is the mean of `runs` >= 1 binary runs; `at_days` is when it happened, in days since the
    epoch (all equal where time is not known). An event where `learns` (n,) is False is predicted and changes nothing;
    without the column all are learned from. `fleet` (n,) points at the fleet's row, the first without that column.
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
    learns: NDArray[np.bool_] | None = None
    fleet: Ints | None = None

    def __len__(self) -> int:
        return int(self.score.size)

    def select(self, chosen: slice | NDArray[np.bool_] | Ints) -> PairEvents:
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
            learns=None if self.learns is None else self.learns[chosen],
            fleet=None if self.fleet is None else self.fleet[chosen],
        )


@dataclass(frozen=True, slots=True)
class PairEffects:
    """What the fold predicted for each event before it learned from it, and (`baseline`, `after`) its state afterwards;
    a column is (n,) except `after`.

    `expected`: predicted mean score, all terms. `baseline`: what a prompt drawn from the fleet is now expected to score
    for this assistant on this ritual (μ + β + α + γ; prompt, pair and wording unknown). `logit_mean`, `logit_sd`: of η;
    the interval scale is not applied. `log_evidence`: log probability of this very score in so many runs, in nats.
    `after` (n, 5): of this pair right after the event, on the logit scale, mean and sd of η and the three terms that
    are the pair's own (`AFTER` names them). `before` (n, 2): the sd of η that the event met, and the effective
    weight of its runs.
    """

    expected: Floats
    baseline: Floats
    logit_mean: Floats
    logit_sd: Floats
    log_evidence: Floats
    after: Floats
    before: Floats


AFTER = ("mean", "sd", "task", "wording", "own_record")


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
def copy_row(source: Floats, i: int, target: Floats, j: int) -> None:
    """Copy row i of `source` to row j of `target`, as far as the narrower of them goes."""
    for k in range(min(source.shape[1], target.shape[1])):
        target[j, k] = source[i, k]


@njit
def fold_kernel(
    fleet: Ints,
    assistant: Ints,
    ritual: Ints,
    assistant_ritual: Ints,
    prompt: Ints,
    pair: Ints,
    features: Floats,
    score: Floats,
    runs: Floats,
    at_days: Floats,
    learns: NDArray[np.bool_],
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
    readout: Floats,
    met: Floats,
) -> None:
    """Fold events one by one into the state, in place; write a row of effects for each."""
    width = prior.shape[1]
    x = np.zeros(width)
    x[0] = 1.0
    # What an event that is only predicted must leave as it was.
    kept_width = max(width, 2)
    kept_mean = np.zeros((6, kept_width))
    kept_variance = np.zeros((6, kept_width))
    kept_touched = np.zeros(6)
    kept_centre = np.zeros((1, kept_width))
    for i in range(score.size):
        f = fleet[i]
        a = assistant[i]
        g = ritual[i]
        ag = assistant_ritual[i]
        p = prompt[i]
        ap = pair[i]
        kept_count = 0.0
        if not learns[i]:
            copy_row(mean0, f, kept_mean, 0)
            copy_row(mean_a, a, kept_mean, 1)
            copy_row(mean_g, g, kept_mean, 2)
            copy_row(mean_ag, ag, kept_mean, 3)
            copy_row(mean_p, p, kept_mean, 4)
            copy_row(mean_ap, ap, kept_mean, 5)
            copy_row(var0, f, kept_variance, 0)
            copy_row(var_a, a, kept_variance, 1)
            copy_row(var_g, g, kept_variance, 2)
            copy_row(var_ag, ag, kept_variance, 3)
            copy_row(var_p, p, kept_variance, 4)
            copy_row(var_ap, ap, kept_variance, 5)
            kept_touched[0] = touched0[f]
            kept_touched[1] = touched_a[a]
            kept_touched[2] = touched_g[g]
            kept_touched[3] = touched_ag[ag]
            kept_touched[4] = touched_p[p]
            kept_touched[5] = touched_ap[ap]
            kept_count = centre_count[g]
            copy_row(centre_sum, g, kept_centre, 0)

        # The log's clock never runs back; a late event is folded now and weighs less for its age.
        now = at_days[i]
        clock = touched0[f]
        late = 0.0
        if clock > now:
            late = clock - now
            now = clock
        age_row(mean0, var0, touched0, f, prior[0], now, half_life)
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
        level = mean0[f, 0] + mean_g[g, 0]
        own = var0[f, 0] + var_g[g, 0]
        shared = var_a[a, 0] + var_ag[ag, 0]
        s = own + d * d * shared + var_p[p, 0] + var_ap[ap, 0]
        lever = d * min(MAX_LEVER, max(-MAX_LEVER, strength))
        s += lever * lever * var_p[p, 1]
        m = level + d * strength + mean_p[p, 0] + mean_ap[ap, 0]
        for j in range(1, used):
            m += x[j] * (mean0[f, j] + mean_g[g, j] + mean_a[a, j] + mean_ag[ag, j])
            s += x[j] * x[j] * (var0[f, j] + var_g[g, j] + var_a[a, j] + var_ag[ag, j])

        expected[i] = apply_link(expected_score(m, s), low, high, shift)
        logit_mean[i] = m
        logit_sd[i] = math.sqrt(s)

        weight = runs[i] / (1.0 + (runs[i] - 1.0) * correlation)
        weight *= math.exp(-LN2 * late / half_life)
        met[i, 0] = logit_sd[i]
        met[i, 1] = weight
        gain = 0.0
        loss = 0.0
        log_evidence[i] = 0.0
        if learns[i]:
            after, variance_after, log_evidence[i] = posterior(m, s, score[i], weight)
            log_evidence[i] += log_ways(runs[i], weight, score[i])
            gain = (after - m) / s
            # Never all of a variance, whatever the rounding.
            loss = min((s - variance_after) / (s * s), MAX_LEARNED_SHARE / s)

        v = var0[f, 0]
        mean0[f, 0] += v * gain
        var0[f, 0] = v - v * v * loss
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
            v = var0[f, j]
            mean0[f, j] += v * xg
            var0[f, j] = v - v * v * xl
            v = var_g[g, j]
            mean_g[g, j] += v * xg
            var_g[g, j] = v - v * v * xl
            v = var_a[a, j]
            mean_a[a, j] += v * xg
            var_a[a, j] = v - v * v * xl
            v = var_ag[ag, j]
            mean_ag[ag, j] += v * xg
            var_ag[ag, j] = v - v * v * xl

        # Includes what this event taught: while the fleet is new, earlier beliefs are far off.
        d = math.exp(mean_p[p, 1])
        strength = mean_a[a, 0] + mean_ag[ag, 0]
        level = mean0[f, 0] + mean_g[g, 0]
        own = var0[f, 0] + var_g[g, 0]
        shared = var_a[a, 0] + var_ag[ag, 0]
        anybody = expected_score(level + strength, own + shared + prior_prompt[0] + prior_pair[0])
        baseline[i] = apply_link(anybody, low, high, shift)

        lever = d * min(MAX_LEVER, max(-MAX_LEVER, strength))
        s = own + d * d * shared + var_p[p, 0] + var_ap[ap, 0] + lever * lever * var_p[p, 1]
        m = level + d * strength + mean_p[p, 0] + mean_ap[ap, 0]
        wording_term = 0.0
        for j in range(1, used):
            wording_term += x[j] * (mean_a[a, j] + mean_ag[ag, j])
            m += x[j] * (mean0[f, j] + mean_g[g, j])
            s += x[j] * x[j] * (var0[f, j] + var_g[g, j] + var_a[a, j] + var_ag[ag, j])
        readout[i, 0] = m + wording_term
        readout[i, 1] = math.sqrt(s)
        readout[i, 2] = d * mean_ag[ag, 0]
        readout[i, 3] = wording_term
        readout[i, 4] = mean_ap[ap, 0]
        if not learns[i]:
            copy_row(kept_mean, 0, mean0, f)
            copy_row(kept_mean, 1, mean_a, a)
            copy_row(kept_mean, 2, mean_g, g)
            copy_row(kept_mean, 3, mean_ag, ag)
            copy_row(kept_mean, 4, mean_p, p)
            copy_row(kept_mean, 5, mean_ap, ap)
            copy_row(kept_variance, 0, var0, f)
            copy_row(kept_variance, 1, var_a, a)
            copy_row(kept_variance, 2, var_g, g)
            copy_row(kept_variance, 3, var_ag, ag)
            copy_row(kept_variance, 4, var_p, p)
            copy_row(kept_variance, 5, var_ap, ap)
            touched0[f] = kept_touched[0]
            touched_a[a] = kept_touched[1]
            touched_g[g] = kept_touched[2]
            touched_ag[ag] = kept_touched[3]
            touched_p[p] = kept_touched[4]
            touched_ap[ap] = kept_touched[5]
            centre_count[g] = kept_count
            copy_row(kept_centre, 0, centre_sum, g)


def fold(policy: PairPolicy, state: PairState, events: PairEvents) -> PairEffects:
    """Fold `events` into `state`, in place and strictly one by one; return what was expected.

    Slicing the log differently gives the same bits. A late event (older than the newest one folded)
    is folded at its arrival, its weight halved for every half-life it is late. Cost: O(n·WIDTH).
    """
    n = len(events)
    effects = PairEffects(
        expected=np.empty(n),
        baseline=np.empty(n),
        logit_mean=np.empty(n),
        logit_sd=np.empty(n),
        log_evidence=np.empty(n),
        after=np.empty((n, 5)),
        before=np.empty((n, 2)),
    )
    prior = policy.prior_rows()[:, : state.fleet.mean.shape[1]]
    reads = bool(prior[:, 1:].any())
    fold_kernel(
        np.zeros(n, dtype=np.int64) if events.fleet is None else events.fleet,
        events.assistant,
        events.ritual,
        events.assistant_ritual,
        events.prompt,
        events.pair,
        events.features,
        events.score,
        events.runs,
        events.at_days,
        np.ones(n, dtype=np.bool_) if events.learns is None else events.learns,
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
        effects.before,
    )
    return effects
