"""Numbers as the pages write them."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintmark.web import number_format

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.714, "0.71"), (1.0, "1.00"), (0.0456, "0.046"), (0.00214, "0.0021"), (0.0, "0.00"),
        (-0.0834, "−0.083"), (-0.00001, "0.00"), (None, "–"), (math.nan, "–"), (math.inf, "–"),
    ],
)  # fmt: skip
def test_a_score_has_two_significant_digits(value: float | None, written: str) -> None:
    assert number_format.format_score(value) == written


@given(st.floats(min_value=-1, max_value=1))
def test_a_written_score_is_within_half_a_unit_of_its_second_digit(value: float) -> None:
    read = float(number_format.format_score(value).replace("−", "-"))
    assert abs(read - value) <= max(0.05 * abs(value), 0.00005) + 1e-12


@given(st.floats(min_value=-1, max_value=1))
def test_an_exact_figure_reads_back_to_the_same_bits(value: float) -> None:
    assert float(number_format.format_exact(value).replace("−", "-")) == value


def test_a_lift_always_says_its_direction() -> None:
    assert [number_format.format_lift(v) for v in (0.08, -0.08, 0.0)] == [
        "+0.080",
        "−0.080",
        "0.00",
    ]


def test_signed_points_have_a_digit_behind_the_point_only_where_it_matters() -> None:
    assert [number_format.format_signed_points(v) for v in (0.123, -0.0349, 0.08, 1.0, 0.0, -0.0001)] == [
        "+12", "−3.5", "+8", "+100", "0", "0",
    ]  # fmt: skip


def test_a_count_has_separators_and_a_fraction_only_where_it_matters() -> None:
    assert [number_format.format_count(v) for v in (1234567, 412.4, 2.13, 3.0)] == [
        "1,234,567", "412", "2.1", "3",
    ]  # fmt: skip


def test_odds_are_never_certain() -> None:
    assert [number_format.format_percentage(v) for v in (0.0, 0.5, 1.0)] == ["< 1%", "50%", "> 99%"]


def test_a_counted_share_is_nothing_or_all_only_where_it_is() -> None:
    assert [number_format.format_share(v) for v in (0.0, 0.001, 5 / 16, 0.999, 1.0)] == [
        "0%", "< 1%", "31%", "> 99%", "100%",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("passed", "written"),
    [
        (timedelta(seconds=-30), "just now"), (timedelta(seconds=59), "just now"),
        (timedelta(minutes=3), "3 min ago"), (timedelta(hours=1), "1 hour ago"),
        (timedelta(days=2), "2 days ago"), (timedelta(days=65), "2 months ago"),
        (timedelta(days=800), "2 years ago"),
    ],
)  # fmt: skip
def test_an_age_is_in_its_largest_whole_unit(passed: timedelta, written: str) -> None:
    assert number_format.format_age(NOW - passed, now=NOW) == written
