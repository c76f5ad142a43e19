"""The plain guesses, beside a loop that says what they mean."""

from dataclasses import replace

import numpy as np
import pytest

from mintmark.scoring import baselines
from tests.scoring.fleets import fleet


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("assistant_mean", "assistant"),
        ("prompt_mean", "prompt"),
        ("assistant_ritual_mean", "assistant_ritual"),
    ],
)
def test_each_mean_is_of_the_rows_before(name: str, key: str) -> None:
    events = fleet(rows=200, texts=False)
    found = getattr(baselines.predict_ahead(events, learned=100), name)
    keys, weight, hits = getattr(events, key), events.runs, events.runs * events.score
    for i in range(200):
        overall = (hits[:i].sum() + 1.0) / (weight[:i].sum() + 2.0)
        same = keys[:i] == keys[i]
        expected = (hits[:i][same].sum() + 2.0 * overall) / (weight[:i][same].sum() + 2.0)
        assert found[i] == pytest.approx(expected)


def test_no_guess_knows_its_own_or_a_later_row() -> None:
    events = fleet(rows=100, texts=False)
    other = replace(events, score=np.where(np.arange(100) >= 60, 1.0 - events.score, events.score))
    for name in baselines.Baselines.__dataclass_fields__:
        one, two = (getattr(baselines.predict_ahead(e, learned=50), name) for e in (events, other))
        assert one[:61] == pytest.approx(two[:61])


def test_a_fitted_mean_is_the_training_rows_and_falls_back_to_all_of_them() -> None:
    events = fleet(rows=300, texts=False)
    train, test = events.select(slice(0, 200)), events.select(slice(200, 300))
    stranger = replace(test, assistant=test.assistant + 100)
    found = baselines.predict_test(train, stranger)
    assert found.assistant_mean == pytest.approx(found.global_mean)
    known = baselines.predict_test(train, test)
    a = test.assistant[0]
    same = train.assistant == a
    hits, weight = (train.runs * train.score)[same].sum(), train.runs[same].sum()
    assert known.assistant_mean[0] == pytest.approx(
        (hits + 2.0 * known.global_mean[0]) / (weight + 2.0)
    )
