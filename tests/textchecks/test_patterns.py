"""Patterns on RE2: what they find and where, and what they refuse."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintmark.textchecks import regex


@given(
    st.text(alphabet="abé☃\ud800\n", max_size=40),
    st.sampled_from(["a+b", "é", "☃?a", "b$", "^a", "[^a]{2}"]),
)
def test_a_match_stands_where_the_standard_library_sees_it(text: str, source: str) -> None:
    # `$` of `re` also stands before a last line end; RE2's does not.
    expected = re.search(source.replace("$", r"\Z"), text.replace("\ud800", "?"))
    found = regex.compile_pattern(source).search(text)
    assert found == (expected.span() if expected else None)


def test_a_character_may_be_written_by_its_code() -> None:
    assert regex.compile_pattern(r"\u00e9").search("café") == (3, 4)
    assert regex.compile_pattern(r"\\u00e9").search(r"\u00e9") == (0, 6)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("(", "missing )"),
        (r"(a)\1", "invalid escape sequence"),
        ("(?<!a)b", "invalid"),
        ("a" * 2_001, "2,001 characters"),
        (r"\pL{900}", "too large"),
        ("(x{900}){900}", "invalid repetition size"),
        ("\ud800", "surrogate"),
    ],
)
def test_what_is_no_pattern_here_is_refused_and_says_why(source: str, says: str) -> None:
    with pytest.raises(regex.InvalidPattern, match=re.escape(says)):
        regex.compile_pattern(source)


def test_the_work_of_a_search_is_the_pattern_times_the_bytes() -> None:
    pattern = regex.compile_pattern("abc")
    assert pattern.estimate_work("é" * 10) == pattern.size * 20
