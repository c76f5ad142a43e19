"""Licences in plain words, and money as the pages write it."""

from decimal import Decimal

import pytest

from mintmark.common import licences as known
from mintmark.web.market import licences
from mintmark.web.templatetags import mintmark_tags


@pytest.mark.parametrize(
    ("identifier", "says"),
    [
        ("MIT", "buyers may fork it and sell the fork"),
        ("CC-BY-SA-4.0", "buyers may fork it and sell the fork, under the same licence"),
        ("CC-BY-NC-4.0", "buyers may fork it but not sell the fork"),
        ("CC-BY-ND-4.0", "buyers may use it but not pass on changed texts"),
        ("Of-My-Own", "buyers may use it but not pass on changed texts"),
    ],
)
def test_a_licence_says_what_it_allows(identifier: str, says: str) -> None:
    assert licences.describe_permissions(identifier) == says


def test_every_licence_can_be_chosen_once_the_strictest_first() -> None:
    choices = licences.list_choices()
    assert sorted(identifier for identifier, _ in choices) == sorted(known.PERMISSIONS)
    assert choices[0][0] == known.PROPRIETARY
    assert choices[0][1].startswith("all rights reserved: ")
    assert [identifier for identifier, _ in licences.list_choices(only="MIT")] == ["MIT"]


def test_amounts_are_written_to_the_micro_token_and_no_further() -> None:
    assert mintmark_tags.in_credits(12_500_000) == "12.5 credits"
    assert mintmark_tags.in_credits(1_000_000) == "1 credit"
    assert mintmark_tags.tokens(-1) == "−0.000001"
    assert mintmark_tags.tokens(Decimal("1234.500000")) == "1,234.5"
