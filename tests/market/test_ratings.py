"""Ratings: from those who used a prompt, as evidence, one live at a time."""

from typing import Any

import pytest

from mintmark.evidence.models import Event
from mintmark.market.ratings import InvalidRating, RatingNotAllowed
from mintmark.projection.prompt_models import ActiveRating
from tests.factories.market_fixture import Stall

pytestmark = pytest.mark.django_db


def _rate(stall: Stall, **changes: Any) -> None:
    asked: dict[str, Any] = {
        "caller": stall.as_(stall.cast.buyer),
        "prompt": stall.prompt,
        "stars": 4,
        "idempotency_key": next(stall.keys),
        "now": stall.now,
    }
    stall.market.rate(**(asked | changes))


def _used(stall: Stall) -> None:
    stall.bought(stall.listed())
    stall.cast.record(stall.cast.outcome(score=0.8, prompt=stall.prompt.pk))


def test_a_rating_enters_as_evidence_that_counts(stall: Stall) -> None:
    _used(stall)
    _rate(stall, tags=["@clarity+"], note="short and right")
    event = Event.objects.latest("id")
    assert (event.score, event.admissible, event.tags) == (0.75, True, ["@clarity+"])


def test_a_new_rating_supersedes_and_the_history_stays(stall: Stall) -> None:
    _used(stall)
    _rate(stall, stars=1)
    _rate(stall, stars=5)
    stall.cast.record(stall.cast.outcome(score=0.8))  # fold on either database
    assert Event.objects.filter(kind=3).count() == 2
    assert ActiveRating.objects.get(prompt=stall.prompt).score == 1.0


def test_nobody_rates_without_a_right_to_use(stall: Stall) -> None:
    with pytest.raises(RatingNotAllowed, match="buy it"):
        _rate(stall)


def test_nobody_rates_without_a_use(stall: Stall) -> None:
    stall.bought(stall.listed())
    with pytest.raises(RatingNotAllowed, match="recorded use"):
        _rate(stall)


def test_nobody_rates_his_own_lineage(stall: Stall) -> None:
    _used(stall)
    with pytest.raises(RatingNotAllowed, match="your own"):
        _rate(stall, caller=stall.as_(stall.cast.seller))
    child = stall.forked(stall.prompt)
    stall.bought(stall.listed(child, by=stall.cast.buyer), by=stall.cast.seller)
    stall.cast.record(
        stall.cast.outcome(score=1.0, prompt=child.pk, assistant=stall.cast.smith.pk),
        by=stall.cast.seller,
    )
    with pytest.raises(RatingNotAllowed, match="descends"):
        _rate(stall, caller=stall.as_(stall.cast.seller), prompt=child)


@pytest.mark.parametrize("stars", [0, 6, -1, 4.5, True, "5"])
def test_stars_are_one_to_five(stall: Stall, stars: Any) -> None:
    _used(stall)
    with pytest.raises(InvalidRating):
        _rate(stall, stars=stars)


@pytest.mark.parametrize("tags", [["not a tag"], ["@x"] * 11, ["@" + "y" * 70]])
def test_tags_that_are_none_are_refused(stall: Stall, tags: list[str]) -> None:
    _used(stall)
    with pytest.raises(InvalidRating):
        _rate(stall, tags=tags)


def test_an_assistant_rates_in_its_own_name(stall: Stall) -> None:
    _used(stall)
    _rate(stall, caller=stall.as_(stall.cast.scout))
    assert Event.objects.latest("id").assistant == stall.cast.scout


def test_who_was_refunded_may_still_say_what_he_found(stall: Stall) -> None:
    _used(stall)
    from mintmark.registry.models import Entitlement

    Entitlement.objects.filter(prompt=stall.prompt).update(ended_at=stall.now)
    _rate(stall, stars=1)
    assert Event.objects.latest("id").admissible
