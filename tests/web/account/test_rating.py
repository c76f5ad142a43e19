"""The desk where a prompt is rated."""

import re

import pytest
from django.test import Client

from mintmark.common import evidence_kinds
from mintmark.evidence.models import Event
from tests.factories.holdings_fixture import Holdings
from tests.web.account import pages

pytestmark = pytest.mark.django_db


def test_a_rating_is_recorded_once_and_the_next_takes_its_place(
    holdings: Holdings, buyer: Client
) -> None:
    path = f"/prompts/{holdings.brief.pk}/rate"
    key = re.search(r'name="key" value="(\w+)"', pages.page(buyer, path))
    assert key
    sent = {
        "stars": "4",
        "tag": ["@clarity+"],
        "more_tags": "german, @tone-",
        "note": "Good.",
        "key": key[1],
    }
    for _ in range(2):
        status, to, _ = pages.post(buyer, path, **sent)
        assert (status, to) == (302, f"/prompts/{holdings.brief.pk}/reputation")
    event = Event.objects.get(prompt=holdings.brief, kind=evidence_kinds.EvidenceKind.RATING)
    assert (event.score, event.tags, event.note) == (
        0.75,
        ["@clarity+", "german", "@tone-"],
        "Good.",
    )
    assert "You gave it 4 stars" in pages.page(buyer, path)


def test_the_page_says_that_ratings_are_held_to_measurement(
    holdings: Holdings, buyer: Client
) -> None:
    assert "at most a quarter" in pages.page(buyer, f"/prompts/{holdings.brief.pk}/rate")


@pytest.mark.parametrize(
    "wrong", [{"stars": ""}, {"stars": "6"}, {"more_tags": "NOT A TAG!"}, {"note": "x" * 401}]
)
def test_a_rating_that_cannot_be_kept_is_refused_beside_what_was_typed(
    holdings: Holdings, buyer: Client, wrong: dict[str, str]
) -> None:
    sent = {"stars": "4", "note": "Kept in the form.", "key": "k"} | wrong
    status, _, page = pages.post(buyer, f"/prompts/{holdings.brief.pk}/rate", **sent)
    assert status == 422
    assert 'role="alert"' in page
    assert not Event.objects.filter(
        prompt=holdings.brief, kind=evidence_kinds.EvidenceKind.RATING
    ).exists()


def test_who_may_not_rate_is_told_why_and_what_to_do(
    holdings: Holdings, buyer: Client, seller: Client, stranger: Client
) -> None:
    own = pages.page(seller, f"/prompts/{holdings.brief.pk}/rate")
    assert "You can't rate this prompt" in own
    unused = pages.page(buyer, f"/prompts/{holdings.digest.pk}/rate")
    assert "record an outcome first" in unused
    assert "/api/v1/evidence" in unused
    unbought = pages.page(stranger, f"/prompts/{holdings.brief.pk}/rate")
    assert "Buy it for 12.5 credits" in unbought
    for client, prompt in (
        (seller, holdings.brief),
        (buyer, holdings.digest),
        (stranger, holdings.brief),
    ):
        status, _, _ = pages.post(client, f"/prompts/{prompt.pk}/rate", stars="5", key="k")
        assert status == 422
    assert not Event.objects.filter(
        prompt=holdings.brief, kind=evidence_kinds.EvidenceKind.RATING
    ).exists()
