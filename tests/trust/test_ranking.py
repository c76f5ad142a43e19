"""Which prompts may an assistant use for a task, and in which order."""

import pytest
from django.db.models import QuerySet

from mintmark.accounts.callers import Caller
from mintmark.registry import entitlements, prompts, rituals
from mintmark.registry.models import Prompt, Ritual
from mintmark.trust.results import Ranking
from mintmark.trust.tracker import RANKING_ORDERS, AssistantTrustTracker
from tests.factories.cast import NOW, Cast, measured

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast(built_cast: Cast) -> Cast:
    return built_cast


def _ranking(cast: Cast, *tasks: Ritual, order: str = "trust_low", limit: int = 20) -> Ranking:
    return AssistantTrustTracker().rank_prompts(
        assistant=cast.scout, tasks=tasks or [cast.triage], usable=_usable(cast), now=NOW, order=order, limit=limit
    )  # fmt: skip


def _usable(cast: Cast, caller: Caller | None = None) -> QuerySet[Prompt]:
    return prompts.usable_by(caller=caller or cast.as_(cast.buyer), team_id=cast.buyers.pk)


def _names(ranking: Ranking) -> list[str]:
    return [row.prompt.name for row in ranking.rows]


def test_what_was_measured_to_be_good_comes_first_and_what_was_not_is_there_too(cast: Cast) -> None:
    good, bad = cast.written("acme/good", "Weigh {x}."), cast.written("acme/bad", "Guess {x}.")
    measured(cast, good, [0.9] * 5)
    measured(cast, bad, [0.1] * 5)
    ranking = _ranking(cast)
    assert (_names(ranking)[0], ranking.total) == ("good", 3)
    assert {row.prompt.name: row.trust.runs > 0 for row in ranking.rows} == {
        "good": True, "bad": True, "triage": False,
    }  # fmt: skip
    told = AssistantTrustTracker().get_matrix(assistant=cast.scout, now=NOW)
    for row in ranking.rows[:1]:
        assert row.trust == next(r.trust for r in told.rows if r.prompt == row.prompt)


@pytest.mark.parametrize("order", RANKING_ORDERS)
def test_it_is_in_the_order_that_was_asked_for(order: str, cast: Cast) -> None:
    for n, scores in enumerate(([0.9], [0.8] * 9, [0.2] * 9)):
        measured(cast, cast.written(f"acme/p{n}", f"Text {n} of {{x}}."), scores)
    values = [RANKING_ORDERS[order](row.trust) for row in _ranking(cast, order=order).rows]
    assert values == sorted(values, reverse=True)
    assert len(values) == 4
    assert len(_ranking(cast, limit=2).rows) == 2


def test_another_tasks_prompts_are_not_in_it(cast: Cast) -> None:
    other = rituals.register(name="other-cases", tag="task:other")
    there = cast.written("acme/other", "Do {x}.", tags=["task:other"])
    # Tagged for this task, and measured by another: that is its home.
    moved = cast.written("acme/moved", "Do {x} too.")
    measured(cast, moved, [0.9], ritual=other)
    assert _names(_ranking(cast)) == ["triage"]
    assert {row.prompt for row in _ranking(cast, other).rows} == {there, moved}
    both = _ranking(cast, cast.triage, other)
    assert {row.ritual.name for row in both.rows} == {"triage-cases", "other-cases"}


def test_a_task_is_the_same_in_every_version_of_its_ritual(cast: Cast) -> None:
    measured(cast, cast.prompt, [0.9])
    newer = rituals.register(name="triage-cases", tag="task:triage", definition={"cases": []})
    assert newer.version == 2
    for tasks in ([cast.triage], [newer], rituals.find_by_task(reference="task:triage")):
        (row,) = _ranking(cast, *tasks).rows
        assert row.prompt == cast.prompt
    assert row.ritual == newer


def test_only_what_both_may_use_and_nobody_withdrew_is_in_it(cast: Cast) -> None:
    closed = cast.written("acme/closed", "Secret {x}.", is_open=False)
    withdrawn = cast.written("acme/withdrawn", "Old {x}.")
    seller = cast.as_(cast.seller)
    entitlements.withdraw_permanently(caller=seller, prompt=withdrawn, reason="old", now=NOW)
    assert _names(_ranking(cast)) == ["triage"]
    granted = entitlements.grant(caller=seller, prompt=closed, team=cast.buyers, reason="try it")
    assert set(_names(_ranking(cast))) == {"triage", "closed"}
    assert closed not in _usable(cast, cast.as_(cast.stranger))
    entitlements.end_grant(entitlement=granted, reason="over", now=NOW)
    assert _names(_ranking(cast)) == ["triage"]
    # Its own team reads what it withdrew, and may not use it either.
    assert withdrawn not in prompts.usable_by(caller=seller, team_id=cast.sellers.pk)
