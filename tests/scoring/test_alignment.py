"""Rules kept, memory kept, steadiness and drift, from one fold."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mintmark.common.evidence_kinds import EvidenceKind
from mintmark.scoring import pair_measures
from mintmark.scoring.pair_measures import (
    MeasureEffects,
    MeasureEvents,
    PairMeasures,
    PairMeasureState,
)

# Two assistants with three prompts each: the pair of assistant a and prompt p is row 3a + p.
ASSISTANTS, PROMPTS = 2, 3
PAIRS = ASSISTANTS * PROMPTS


class Log:
    def __init__(self) -> None:
        self.state = PairMeasureState.create_initial(pairs=PAIRS, prompts=PROMPTS)
        self.rows: list[tuple[int, int, int, float, float, float, float]] = []

    def say(
        self,
        kind: EvidenceKind,
        score: float,
        *,
        prompt: int = 0,
        assistant: int | None = 0,
        runs: float = 1.0,
        expected: float = 0.5,
        baseline: float = 0.5,
    ) -> None:
        pair = -1 if assistant is None else assistant * PROMPTS + prompt
        self.rows.append((kind, prompt, pair, score, runs, expected, baseline))

    def fork(self, child: int, *, of: int, by: int) -> None:
        self.state.pairs.parent[by * PROMPTS + child] = by * PROMPTS + of
        self.state.pairs.forked[by * PROMPTS + child] = True

    def events(self) -> MeasureEvents:
        said, self.rows = self.rows, []
        kind, prompt, pair, *floats = zip(*said, strict=True)
        score, runs, expected, baseline = (np.array(column, dtype=float) for column in floats)
        return MeasureEvents(
            kind=np.array(kind, dtype=np.int64),
            prompt=np.array(prompt, dtype=np.int64),
            pair=np.array(pair, dtype=np.int64),
            score=score,
            runs=runs,
            expected=expected,
            baseline=baseline,
        )

    def fold(self) -> MeasureEffects:
        return pair_measures.fold(self.state, self.events())

    def measures(self, pair: int = 0) -> PairMeasures:
        if self.rows:
            self.fold()
        return pair_measures.measure_pairs(
            self.state, pairs=np.array([pair]), prompts=np.array([pair % PROMPTS])
        )


def random_log(seed: int) -> Log:
    rng = np.random.default_rng(seed)
    log = Log()
    log.fork(1, of=0, by=0)
    for _ in range(50):
        assistant = int(rng.integers(-1, ASSISTANTS))
        kind = EvidenceKind(int(rng.integers(0, 6))) if assistant >= 0 else EvidenceKind.CLAUSE
        log.say(
            kind,
            float(rng.random()),
            prompt=int(rng.integers(0, PROMPTS)),
            assistant=assistant if assistant >= 0 else None,
            runs=float(rng.integers(1, 20)),
            expected=float(rng.uniform(0.2, 0.8)),
            baseline=float(rng.uniform(0.2, 0.8)),
        )
    return log


def bits(state: PairMeasureState) -> bytes:
    return b"".join(c.tobytes() for group in (state.pairs, state.prompts) for c in group)


@given(seed=st.integers(0, 1000), cuts=st.lists(st.integers(0, 50), max_size=5))
def test_a_log_cut_anywhere_folds_to_the_same_bits(seed: int, cuts: list[int]) -> None:
    whole, sliced = random_log(seed), random_log(seed)
    at_once, events = whole.fold(), sliced.events()
    fields = dataclasses.fields(MeasureEvents)
    names = [field.name for field in fields if field.name != "is_shared"]
    pieces = [
        pair_measures.fold(
            sliced.state, MeasureEvents(**{n: getattr(events, n)[a:b] for n in names})
        )
        for a, b in itertools.pairwise([0, *sorted(cuts), 50])
    ]
    assert bits(sliced.state) == bits(whole.state)
    for field in dataclasses.fields(at_once):
        together = np.concatenate([getattr(piece, field.name) for piece in pieces])
        assert together.tobytes() == getattr(at_once, field.name).tobytes()


def test_where_nothing_was_seen_nothing_is_said() -> None:
    measures = Log().measures()
    for field in dataclasses.fields(measures):
        assert math.isnan(getattr(measures, field.name)[0])


def test_compliance_starts_from_the_prompts_record_over_all_assistants() -> None:
    log = Log()
    log.say(EvidenceKind.CLAUSE, 1.0, runs=17.0, assistant=1)
    log.say(EvidenceKind.CLAUSE, 0.0, runs=1.0, assistant=None)
    log.say(EvidenceKind.CLAUSE, 0.5, runs=2.0, assistant=0)
    typical = (1.0 + 18.0) / (2.0 + 20.0)
    measures = log.measures()
    assert measures.symbolic_compliance[0] == pytest.approx((8.0 * typical + 1.0) / 10.0)
    posterior = stats.beta(8.0 * typical + 1.0, 8.0 * (1.0 - typical) + 1.0)
    assert measures.compliance_low[0] == pytest.approx(posterior.ppf(0.05))
    assert measures.compliance_high[0] == pytest.approx(posterior.ppf(0.95))


def test_memory_fidelity_is_the_posterior_share_of_memories_recalled() -> None:
    log = Log()
    log.say(EvidenceKind.RECALL, 0.75, runs=4.0)
    measures = log.measures()
    assert measures.memory_fidelity[0] == pytest.approx(4.0 / 6.0)
    assert measures.memory_low[0] < 4.0 / 6.0 < measures.memory_high[0]
    assert math.isnan(log.measures(1).memory_fidelity[0])


def test_replays_that_spread_as_coins_do_are_not_volatile_and_wilder_ones_are() -> None:
    rng = np.random.default_rng(5)
    steady, wild = Log(), Log()
    for _ in range(400):
        steady.say(EvidenceKind.REPLAY, rng.binomial(20, 0.5) / 20.0, runs=20.0)
        wild.say(EvidenceKind.REPLAY, rng.binomial(20, rng.choice([0.3, 0.7])) / 20.0, runs=20.0)
    assert steady.measures().dreamframe_volatility[0] < 0.05
    assert wild.measures().dreamframe_volatility[0] == pytest.approx(0.2, abs=0.02)


def test_outcomes_say_nothing_of_volatility() -> None:
    log = Log()
    log.say(EvidenceKind.OUTCOME, 1.0, runs=50.0)
    assert math.isnan(log.measures().dreamframe_volatility[0])


def test_mutation_bias_compares_with_the_parents_evidence_after_the_fork_only() -> None:
    log = Log()
    log.fork(1, of=0, by=0)
    log.say(EvidenceKind.OUTCOME, 0.0, prompt=0, runs=100.0)
    log.say(EvidenceKind.OUTCOME, 0.7, prompt=1, runs=20.0)
    assert math.isnan(log.measures(1).mutation_bias[0])
    log.say(EvidenceKind.OUTCOME, 0.6, prompt=0, runs=20.0)
    assert log.measures(1).mutation_bias[0] == pytest.approx(0.1 * 10.0 / 30.0)


def test_mutation_bias_is_silent_on_forks_that_somebody_else_made() -> None:
    log = Log()
    log.fork(1, of=0, by=0)
    log.state.pairs.forked[1] = False
    log.say(EvidenceKind.OUTCOME, 0.7, prompt=1)
    log.say(EvidenceKind.OUTCOME, 0.2, prompt=0)
    assert math.isnan(log.measures(1).mutation_bias[0])


def test_an_event_reports_the_measures_that_a_read_right_after_it_would_give() -> None:
    log = random_log(9)
    events = log.events()
    effects = pair_measures.fold(log.state, events)
    last = int(np.flatnonzero(events.pair >= 0)[-1])
    read = log.measures(int(events.pair[last]))
    for name in ("memory_fidelity", "dreamframe_volatility", "mutation_bias"):
        np.testing.assert_array_equal(getattr(effects, name)[last], getattr(read, name)[0])


def test_a_row_that_was_not_loaded_is_refused() -> None:
    log = Log()
    log.say(EvidenceKind.RECALL, 1.0, assistant=ASSISTANTS)
    with pytest.raises(ValueError, match="event 0 of the slice has pair = 6"):
        log.fold()
