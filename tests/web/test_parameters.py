"""What a page may be asked in its address, and how it is refused."""

from contextlib import suppress
from decimal import Decimal

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from mintmark.web import query_params
from mintmark.web.query_params import BadParameter


def test_a_number_is_read_and_an_absent_one_is_none() -> None:
    assert query_params.parse_integer(QueryDict("page=3"), "page") == 3
    assert query_params.parse_integer(QueryDict("page="), "page") is None


@pytest.mark.parametrize("value", ["-1", "0", "1.5", "٣", "9" * 19, "9" * 400, "1e3", "\x00", "x"])
def test_what_is_no_number_is_refused_by_name(value: str) -> None:
    query = QueryDict(mutable=True)
    query["page"] = value
    with pytest.raises(BadParameter, match="'page'") as refused:
        query_params.parse_integer(query, "page")
    assert refused.value.value == value[:80]
    assert "a whole number from 1" in refused.value.allowed


def test_a_choice_names_what_is_allowed() -> None:
    with pytest.raises(BadParameter, match="'sideways'; it must be one of up, down"):
        query_params.parse_choice(
            QueryDict("way=sideways"), "way", allowed=("up", "down"), default="up"
        )


def test_words_to_search_for_are_bounded_and_printable() -> None:
    assert query_params.parse_text(QueryDict("q=+find+me+"), "q") == "find me"
    for value in ("x" * 201, "a\x00b"):
        query = QueryDict(mutable=True)
        query["q"] = value
        with pytest.raises(BadParameter):
            query_params.parse_text(query, "q")


@given(st.floats(min_value=0, max_value=1), st.integers(1, query_params.MAX_ID))
def test_a_place_in_a_list_is_read_back_exactly(score: float, number: int) -> None:
    query = QueryDict(mutable=True)
    query["after"] = f"{score!r}_{number}"
    assert query_params.parse_score_page_token(query, "after") == (score, number)


@given(st.text(max_size=30))
def test_any_other_place_is_refused_and_nothing_breaks(value: str) -> None:
    query = QueryDict(mutable=True)
    query["after"] = value
    try:
        found = query_params.parse_score_page_token(query, "after")
    except BadParameter:
        return
    assert found is None or 0 <= found[0] <= 1


def _query(value: str) -> QueryDict:
    query = QueryDict(mutable=True)
    query["it"] = value
    return query


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-query_params.MAX_ID, query_params.MAX_ID),
)
def test_a_mark_in_any_order_is_read_back_exactly(value: float, number: int) -> None:
    assert query_params.parse_page_token(_query(f"{value!r}_{number}"), "it") == (value, number)


@given(st.text(max_size=70))
def test_any_other_mark_share_price_or_percentage_is_refused_and_nothing_breaks(value: str) -> None:
    for read in (
        query_params.parse_page_token,
        query_params.parse_share,
        query_params.parse_price,
        query_params.parse_basis_points,
    ):
        with suppress(BadParameter):
            read(_query(value), "it")


def test_a_price_is_exact_and_may_be_nothing() -> None:
    read = {
        text: query_params.parse_price(_query(text), "it") for text in ("", "0", "12.5", "0.000001")
    }
    assert read == {"": None, "0": 0, "12.5": Decimal("12.5"), "0.000001": Decimal("0.000001")}


def test_a_percentage_has_two_decimals_at_most() -> None:
    assert [query_params.parse_basis_points(_query(t), "it") for t in ("", "10", "12.5", "0.01")] == [
        0, 1_000, 1_250, 1,
    ]  # fmt: skip
    for text in ("0.001", "ten", "NaN", "inf", "-1", "1e9999999"):
        with pytest.raises(BadParameter):
            query_params.parse_basis_points(_query(text), "it")


def test_a_link_keeps_what_it_does_not_change() -> None:
    query = QueryDict("q=a+b&page=2")
    assert query_params.build_query_string(query, page=None, order="runs") == "?q=a+b&order=runs"
    assert query_params.build_query_string(QueryDict("page=2"), page=None) == "?"
