"""The record of a pair on a task: what other tasks taught does not move it; and how events are cut changes no bit."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintmark.scoring import posterior, task_records
from mintmark.scoring.jit import get_interpreted
from mintmark.scoring.pair_model import Floats

EVENT = st.tuples(
    st.integers(0, 3),
    st.floats(0.0, 1.0),
    st.floats(1.0, 200.0),
    st.floats(-5.0, 5.0),
    st.floats(0.2, 2.0),
)


def _update(
    events: list[tuple[int, float, float, float, float]], *, cuts: tuple[int, ...] = ()
) -> tuple[Floats, Floats]:
    """The means told after each event, and the last mean of each record; records 2k and 2k + 1 are of pair k."""
    means, tasks = np.full(4, np.nan), np.zeros(2, dtype=np.int64)
    told = []
    bounds = [0, *sorted(cuts), len(events)]
    for start, end in itertools.pairwise(bounds):
        part = events[start:end]
        if not part:
            continue
        record, score, weight, after, sd = (np.array(column) for column in zip(*part, strict=True))
        told.append(
            task_records.update_records(
                record=record.astype(np.int64),
                pair=record.astype(np.int64) // 2,
                after=np.column_stack([after, np.zeros((len(part), 4))]),
                before=np.column_stack([sd, weight]),
                score=score,
                means=means,
                tasks=tasks,
            )[:, 0]
        )
    return np.concatenate(told), means


@given(st.lists(EVENT, min_size=1, max_size=12), st.integers(0, 12))
def test_slices_change_no_bit(
    events: list[tuple[int, float, float, float, float]], cut: int
) -> None:
    whole, sliced = _update(events), _update(events, cuts=(min(cut, len(events)),))
    assert whole[0].tobytes() == sliced[0].tobytes()
    assert whole[1].tobytes() == sliced[1].tobytes()


@given(st.lists(EVENT, min_size=1, max_size=12))
def test_on_one_task_the_record_is_the_models_mean(
    events: list[tuple[int, float, float, float, float]],
) -> None:
    alone = [(0, *event[1:]) for event in events]
    assert _update(alone)[0].tolist() == [event[3] for event in alone]


@given(st.lists(EVENT, min_size=1, max_size=12), EVENT)
def test_an_event_moves_its_own_record_alone_and_towards_its_score(
    events: list[tuple[int, float, float, float, float]],
    last: tuple[int, float, float, float, float],
) -> None:
    _, before = _update(events)
    _, after = _update([*events, last])
    record, score = last[0], last[1]
    others = [other for other in range(4) if other != record]
    assert before[others].tobytes() == after[others].tobytes()
    is_split = not np.isnan(before[record]) and not np.isnan(before[record ^ 1])
    if is_split:
        expected = posterior.logistic(before[record])
        assert (after[record] - before[record]) * (score - expected) >= -1e-6


def test_the_compiled_kernel_gives_the_bits_of_the_plain_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(7)
    events = [
        (
            int(rng.integers(4)), float(rng.random()), float(rng.integers(1, 90)), float(rng.normal()),
            float(rng.random() + 0.2),
        )
        for _ in range(60)
    ]  # fmt: skip
    compiled = _update(events)
    for name in ("logistic", "log_logistic", "posterior_mode", "posterior"):
        monkeypatch.setattr(posterior, name, get_interpreted(getattr(posterior, name)))
    monkeypatch.setattr(task_records, "posterior", posterior.posterior)
    monkeypatch.setattr(task_records, "update_kernel", get_interpreted(task_records.update_kernel))
    plain = _update(events)
    assert compiled[0].tobytes() == plain[0].tobytes()
    assert compiled[1].tobytes() == plain[1].tobytes()
