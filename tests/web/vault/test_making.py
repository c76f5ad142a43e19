"""Making a bundle: what may be told, and what is seen before it is signed."""

import pytest
from django.test import Client

from mintmark.vault.models import (
    PromptMarketplaceVault,
)
from tests.factories.busy_market_fixture import Fair
from tests.factories.vault_fixture import Strongroom
from tests.web import markup
from tests.web.vault import pages

pytestmark = pytest.mark.django_db


def test_what_may_be_told_is_offered_and_what_may_not_says_why(
    buyer: Client, room: Strongroom
) -> None:
    page = pages.page(buyer, "/vaults/new")
    assert f'value="{room.holdings.forked.pk}"' in page
    assert "buyers/incident-line@1" in page
    assert "The licence of acme/triage@1" in page.split("but not export")[1]


def test_one_sees_what_is_told_before_it_is_signed(buyer: Client, room: Strongroom) -> None:
    before = PromptMarketplaceVault.objects.count()
    sent = {
        "do": "look",
        "team": room.cast.buyers.pk,
        "prompt": [room.holdings.forked.pk],
        "name": "Lines",
        "events": "1",
    }
    page = pages.words(markup.read(pages.post(buyer, "/vaults/new", **sent)))
    assert "What the file contains" in page
    assert "whole text of 1 prompt" in page
    assert "royalties due on sales elsewhere, to seller" in page
    assert "under pseudonyms" in page or "no individual evidence" in page
    assert PromptMarketplaceVault.objects.count() == before
    made = pages.post(buyer, "/vaults/new", **(sent | {"do": "make"}))
    vault = PromptMarketplaceVault.objects.order_by("-id").first()
    assert vault is not None
    assert made.headers["Location"] == f"/vaults/{vault.pk}"
    assert vault.name == "Lines"


def test_what_may_not_be_told_is_left_out_and_named(buyer: Client, room: Strongroom) -> None:
    sent = {
        "team": room.cast.buyers.pk,
        "prompt": [room.cast.prompt.pk, room.holdings.forked.pk],
    }
    looked = markup.read(pages.post(buyer, "/vaults/new", do="look", **sent))
    assert ">Left out</h2>" in looked
    form = looked.split('name="do" value="make"')[1]
    assert f'name="prompt" value="{room.holdings.forked.pk}"' in form
    assert f'name="prompt" value="{room.cast.prompt.pk}"' not in form
    refused_ = pages.post(buyer, "/vaults/new", do="make", **sent)
    assert refused_.status_code == 422
    assert "Nothing was signed" in markup.read(refused_)


def test_a_set_is_told_as_a_whole_under_its_own_words(room: Strongroom) -> None:
    fair = Fair(room.holdings)
    seller = room.holdings.scene.client(room.cast.seller)
    assert f"set={fair.set.name}" in pages.page(seller, f"/market/sets/{fair.set.name}")
    sent = {"do": "look", "team": room.cast.sellers.pk, "set": fair.set.name}
    page = markup.read(pages.post(seller, "/vaults/new", **sent))
    assert "Sign and export 5 prompts?" in page
    assert 'value="On-call starter"' in page


def test_nothing_chosen_is_said(buyer: Client, room: Strongroom) -> None:
    answer = pages.post(buyer, "/vaults/new", do="look", team=room.cast.buyers.pk)
    assert answer.status_code == 422
    assert "Choose at least one prompt or a set" in markup.read(answer)


def test_whoever_has_no_role_is_told_which_one_it_takes(stranger: Client) -> None:
    assert "you need the role ‘author’ or ‘operator’" in pages.page(stranger, "/vaults/new")
    assert "you need the role ‘author’" in pages.page(stranger, "/vaults/take-in")


def test_a_receipt_leads_to_its_bundle(buyer: Client, room: Strongroom) -> None:
    assert room.receipt is not None
    transfer = room.holdings.receipt.transfer
    assert f"/vaults/{room.receipt.pk}" in pages.page(buyer, f"/market/receipts/{transfer}")
    again = pages.post(buyer, f"/market/receipts/{transfer}/bundle")
    assert again.headers["Location"] == f"/vaults/{room.receipt.pk}"


def test_a_receipt_without_a_bundle_has_a_button_that_signs_it(
    buyer: Client, room: Strongroom
) -> None:
    bought = room.holdings.bought(
        room.holdings.escalate_listing, by=room.cast.buyer, at=room.holdings.now
    )
    path = f"/market/receipts/{bought.transfer}"
    assert f'action="{path}/bundle"' in pages.page(buyer, path)
    made = pages.post(buyer, f"{path}/bundle")
    assert "Receipt" in pages.page(buyer, made.headers["Location"])
