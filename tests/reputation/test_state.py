"""Rows of state are loaded, changed and stored bit for bit, and found without a scan."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mintmark.projection import state_store
from mintmark.projection.index import PairIndex
from mintmark.projection.prompt_models import ProjectionState

pytestmark = pytest.mark.both("evidence is folded by a process of its own there")

IDS = st.integers(min_value=0, max_value=2**31 - 1)
KEYS = st.lists(st.tuples(IDS, IDS), max_size=30)


@given(rounds=st.lists(KEYS, min_size=1, max_size=5))
def test_a_key_keeps_the_position_it_was_given(rounds: list[list[tuple[int, int]]]) -> None:
    places = PairIndex()
    given_: dict[tuple[int, int], int] = {}
    for keys in rounds:
        first, second = _columns(keys)
        new = places.find_missing(first, second)
        places.add(*new)
        for key in sorted(set(keys) - given_.keys()):
            given_[key] = len(given_)
        assert places.find(first, second).tolist() == [given_[key] for key in keys]
    assert list(zip(places.first.tolist(), places.second.tolist(), strict=True)) == list(given_)
    assert places.find(*_columns([(2**31 - 1, 77)])).tolist() == [given_.get((2**31 - 1, 77), -1)]


@pytest.mark.parametrize("key", [(2**31, 0), (0, 2**31), (-1, 0)])
def test_an_id_that_would_be_taken_for_another_is_refused(key: tuple[int, int]) -> None:
    with pytest.raises(OverflowError, match="2\\^31"):
        PairIndex().find(*_columns([key]))


@pytest.mark.django_db
def test_changed_rows_come_back_bit_for_bit_and_others_are_not_stored() -> None:
    first, second = _columns([(5, 1), (3, 9), (5, 0)])
    rows = _rows()
    at = rows.locate(first, second)
    seen_only = rows.locate(*_columns([(8, 8)]), changes=False)
    numbers, flags = rows.arrays
    numbers[at] = np.array([[0.1, -0.0], [np.nan, np.inf], [5e-324, 1 / 3]])
    flags[at] = [True, False, True]
    flags[seen_only] = True
    state_store.save(rows.serialize_changed())
    assert ProjectionState.objects.count() == 3

    again = _rows()
    at = again.locate(first, second)
    numbers_again, flags_again = again.arrays
    assert numbers_again[at].tobytes() == numbers[rows.locate(first, second)].tobytes()
    assert flags_again[at].tolist() == [True, False, True]
    untouched = again.locate(*_columns([(8, 8)]))
    assert again.arrays[1][untouched].tolist() == [False]


@pytest.mark.django_db
def test_no_row_stands_where_an_id_is_absent() -> None:
    rows = _rows()
    assert rows.locate(np.array([-1, 4, -1]), np.array([1, -1, -1])).tolist() == [-1, -1, -1]
    assert len(rows) == 0


@pytest.mark.django_db
def test_rows_of_several_blocks_are_found_by_one_query_that_scans_nothing() -> None:
    """A scan would make an event dearer with every row that there is."""
    blocks = [_rows(state_store.StateGroup.PAIR_PAIR), _rows(state_store.StateGroup.RECORD_PAIR)]
    first, second = _columns([(n, n + 1) for n in range(20)])
    for rows in blocks:
        rows.locate(first, second)
    state_store.save([row for rows in blocks for row in rows.serialize_changed()])
    fresh = [_rows(state_store.StateGroup.PAIR_PAIR), _rows(state_store.StateGroup.RECORD_PAIR)]
    with CaptureQueriesContext(connection) as asked:
        state_store.load([(rows, first, second) for rows in fresh])
        for rows in fresh:
            rows.locate(first, second)
    assert len(asked) == 1
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {asked[0]['sql']}")
            plan = " · ".join(str(row[3]) for row in cursor.fetchall())
        assert "(block=? AND first=? AND second=?)" in plan
        assert "SCAN reputation_foldstate" not in plan


def _rows(
    block: state_store.StateGroup = state_store.StateGroup.PAIR_PAIR,
) -> state_store.StateRows:
    def make(n: int) -> Sequence[NDArray[Any]]:
        return np.zeros((n, 2)), np.zeros(n, dtype=np.bool_)

    return state_store.StateRows(block, make, stored=True)


def _columns(keys: Sequence[tuple[int, int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    table = np.array(keys, dtype=np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]
