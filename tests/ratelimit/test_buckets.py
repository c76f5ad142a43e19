"""A bucket lets a minute's quota pass at once, and then as many as have trickled in."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintmark.ratelimit import gcra

NOW = 1_900_000_000.0


def _asked(quota: int, moments: list[float], full_at: float = 0.0) -> list[bool]:
    passed = []
    for now in moments:
        standing = gcra.consume(full_at=full_at, quota=quota, now=now)
        full_at = standing.full_at
        passed.append(standing.is_allowed)
    return passed


@pytest.mark.parametrize("quota", [1, 2, 7, 600, 1_200])
def test_a_full_bucket_holds_its_quota_and_not_one_more(quota: int) -> None:
    assert _asked(quota, [NOW] * (quota + 1)) == [True] * quota + [False]


def test_it_says_how_many_are_left_and_when_it_is_full_again() -> None:
    first = gcra.consume(full_at=0.0, quota=30, now=NOW)
    assert (first.remaining, first.seconds) == (29, 2)
    second = gcra.consume(full_at=first.full_at, quota=30, now=NOW + 1)
    assert (second.remaining, second.seconds) == (28, 3)


def test_a_refusal_says_when_there_is_room_and_takes_nothing() -> None:
    full = gcra.consume(full_at=NOW + 60, quota=30, now=NOW)
    assert (full.is_allowed, full.remaining, full.seconds, full.full_at) == (False, 0, 2, NOW + 60)
    assert not gcra.consume(full_at=full.full_at, quota=30, now=NOW + 0.5).is_allowed
    assert gcra.consume(full_at=full.full_at, quota=30, now=NOW + full.seconds).is_allowed


@given(
    quota=st.integers(1, 1_000),
    pauses=st.lists(st.floats(0.0, 30.0, allow_nan=False), max_size=60),
    again=st.integers(1, 30),
)
def test_no_more_than_the_quota_and_what_trickled_in_pass(
    quota: int, pauses: list[float], again: int
) -> None:
    moments, now = [], NOW
    for pause in pauses:
        now += pause
        moments += [now] * again
    passed = sum(_asked(quota, moments))
    assert passed <= quota + math.ceil((now - NOW) * quota / 60) + 1


@given(quota=st.integers(1, 1_000_000), ahead=st.floats(0.0, 60.0))
def test_what_is_given_back_can_be_taken_again(quota: int, ahead: float) -> None:
    standing = gcra.consume(full_at=NOW + ahead, quota=quota, now=NOW)
    if standing.is_allowed:
        back = gcra.refund(full_at=standing.full_at, quota=quota)
        assert gcra.consume(full_at=back, quota=quota, now=NOW).remaining == standing.remaining


@pytest.mark.parametrize("strange", [math.nan, math.inf, -math.inf, NOW + 3_600, 0.0, -1.0])
def test_a_number_of_another_clock_is_a_full_bucket(strange: float) -> None:
    assert gcra.consume(full_at=strange, quota=10, now=NOW).remaining == 9
