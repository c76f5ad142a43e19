"""Forks: who may, under which licence, and what is frozen."""

from typing import Any

import pytest
from django.db import DatabaseError, transaction
from hypothesis import given
from hypothesis import strategies as st

from mintmark.common import errors
from mintmark.market import forks
from mintmark.market.forks import InvalidFork
from mintmark.market.lineage import LicenceForbids
from mintmark.market.models import RoyaltyTerm
from mintmark.registry.models import Derivation, Prompt
from tests.factories.market_fixture import Stall

pytestmark = pytest.mark.django_db


def test_a_fork_records_its_parent_author_changes_and_what_it_owes(stall: Stall) -> None:
    stall.bought(stall.listed(royalty_bp=1_500))
    child = stall.forked(stall.prompt, changes=["@tone-shift", "@clarity+"])
    assert (child.parent, child.derivation) == (stall.prompt, Derivation.FORK)
    assert (child.team, child.author) == (stall.cast.buyers, stall.principal(stall.cast.buyer))
    assert child.mutation_note == "@tone-shift @clarity+"
    term = RoyaltyTerm.objects.get(prompt=child)
    assert (term.ancestor, term.holder, term.rate_bp) == (
        stall.prompt, stall.principal(stall.cast.seller), 1_500,
    )  # fmt: skip


def test_nobody_forks_what_he_may_not_read(stall: Stall) -> None:
    stall.listed()
    before = Prompt.objects.count()
    with pytest.raises(errors.Forbidden) as refused:
        stall.forked(stall.prompt, text="Guessing {coin}.")
    assert "weigh" not in refused.value.message
    assert Prompt.objects.count() == before


@pytest.mark.parametrize("licence", ["CC-BY-ND-4.0", "LicenseRef-All-Rights-Reserved"])
def test_a_licence_that_forbids_forks_is_kept(stall: Stall, licence: str) -> None:
    stall.bought(stall.listed(licence=licence))
    with pytest.raises(LicenceForbids):
        stall.forked(stall.prompt)


def test_share_alike_stays(stall: Stall) -> None:
    stall.bought(stall.listed(licence="CC-BY-SA-4.0"))
    with pytest.raises(LicenceForbids):
        stall.forked(stall.prompt, licence="MIT")
    assert stall.forked(stall.prompt).licence == "CC-BY-SA-4.0"


@pytest.mark.parametrize(
    "changes",
    [
        {"changes": []}, {"changes": ["clearer"]}, {"changes": ["@" + "x" * 60]}, {"changes": ["@a"] * 9},
    ],
)  # fmt: skip
def test_a_fork_says_what_it_changed(stall: Stall, changes: dict[str, Any]) -> None:
    stall.bought(stall.listed())
    with pytest.raises(InvalidFork):
        stall.forked(stall.prompt, **changes)


def test_an_unchanged_text_is_no_fork(stall: Stall) -> None:
    stall.bought(stall.listed())
    with pytest.raises(InvalidFork):
        stall.forked(stall.prompt, text=stall.prompt.text)


def test_frozen_terms_cannot_be_changed_and_no_circle_can_be_formed(stall: Stall) -> None:
    stall.bought(stall.listed(royalty_bp=1_000))
    child = stall.forked(stall.prompt)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        RoyaltyTerm.objects.filter(prompt=child).update(rate_bp=1)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        Prompt.objects.filter(pk=stall.prompt.pk).update(parent=child, derivation=Derivation.FORK)


def test_a_diff_shows_what_was_changed_and_a_little_around_it() -> None:
    before = "\n".join(f"line {n}" for n in range(20))
    lines = forks.diff(before=before, after=before.replace("line 10", "line ten"), context=1)
    assert [(line.kind, line.text) for line in lines] == [
        ("@", ""), (" ", "line 9"), ("-", "line 10"), ("+", "line ten"), (" ", "line 11"),
    ]  # fmt: skip
    assert forks.diff(before="same", after="same") == []


@given(
    before=st.lists(st.sampled_from("abc"), max_size=12),
    after=st.lists(st.sampled_from("abc"), max_size=12),
)
def test_both_texts_can_be_read_from_a_whole_diff(before: list[str], after: list[str]) -> None:
    lines = forks.diff(before="\n".join(before), after="\n".join(after), context=12)
    if before == after:
        assert lines == []
    else:
        assert [line.text for line in lines if line.kind in " -"] == before
        assert [line.text for line in lines if line.kind in " +"] == after


def test_where_too_much_changed_to_be_matched_it_is_shown_as_replaced() -> None:
    """So that no two texts keep the server busy: matching 80,000 such lines took 44 seconds."""
    kept = ["first", "second"]
    old, new = ([f"{word} {n % 300}" for n in range(10_000)] for word in ("old", "new"))
    before, after = ("\n".join([*kept, *changed, *kept]) for changed in (old, new))
    lines = forks.diff(before=before, after=after, context=1)
    assert [line.kind for line in lines] == ["@", " ", *"-" * 10_000, *"+" * 10_000, " "]
    assert [line.text for line in lines if line.kind == "+"] == new
    assert [line.text for line in lines if line.kind == " "] == ["second", "first"]
