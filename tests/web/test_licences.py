"""Licences in plain words, and money as the pages write it."""

from decimal import Decimal

import pytest

from mintmark.core import licences as known
from mintmark.web import licences
from mintmark.web.templatetags import ledger


@pytest.mark.parametrize(
    ("identifier", "says"),
    [
        ("MIT", "buyers may fork it and sell the fork"),
        ("CC-BY-SA-4.0", "buyers may fork it and sell the fork, under the same licence"),
        ("CC-BY-NC-4.0", "buyers may fork it, not sell the fork"),
        ("CC-BY-ND-4.0", "buyers use it and pass no changed text on"),
        ("Of-My-Own", "buyers use it and pass no changed text on"),
    ],
)
def test_a_licence_says_what_it_allows(identifier: str, says: str) -> None:
    assert licences.allowed_by(identifier) == says


def test_every_licence_can_be_chosen_once_the_strictest_first() -> None:
    choices = licences.choices()
    assert sorted(identifier for identifier, _ in choices) == sorted(known.KNOWN)
    assert choices[0][0] == known.PROPRIETARY
    assert choices[0][1].startswith("all rights reserved: ")
    assert [identifier for identifier, _ in licences.choices(only="MIT")] == ["MIT"]


def test_amounts_are_written_to_the_micro_token_and_no_further() -> None:
    assert ledger.in_tokens(12_500_000) == "12.5 tokens"
    assert ledger.in_tokens(1_000_000) == "1 token"
    assert ledger.tokens(-1) == "−0.000001"
    assert ledger.tokens(Decimal("1234.500000")) == "1,234.5"
