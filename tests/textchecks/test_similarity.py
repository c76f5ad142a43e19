"""Likeness in wording, and the placeholders of a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintmark.textchecks import placeholders, similarity


@given(st.text(max_size=60), st.text(max_size=60))
def test_likeness_is_a_share_the_same_both_ways_and_whole_with_itself(one: str, other: str) -> None:
    alike = similarity.cosine(one, other)
    assert 0.0 <= alike <= 1.0
    assert similarity.cosine(other, one) == alike
    assert similarity.cosine(one, one) == 1.0


def test_case_spaces_and_punctuation_do_not_count() -> None:
    assert similarity.cosine("Sort it, by urgency!", "sort   it by URGENCY") == 1.0
    assert similarity.cosine("abc", "xyz") == 0.0
    assert similarity.cosine("?!", "abc") == 0.0


def test_the_cosine_is_that_of_the_counts() -> None:
    # " ab " has the threes " ab" and "ab "; " ab ab " has " ab" and "ab " twice, and "b a" once.
    assert similarity.cosine("ab", "ab ab") == pytest.approx(4 / (2 * 9) ** 0.5)


def test_placeholders_are_found_in_all_their_spellings() -> None:
    text = "{a} {{ b }} ${c} ${d:some default} { not } {1}"
    assert placeholders.list_names(text) == ["a", "b", "c", "d", "not"]
    assert [text[one.start : one.end] for one in placeholders.find_placeholders(text)][
        1
    ] == "{{ b }}"
    assert placeholders.substitute(text="{a}{b}", values={"a": "{b}"}) == "{b}{b}"
