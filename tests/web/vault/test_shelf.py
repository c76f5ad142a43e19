"""The list of bundles that one keeps."""

import pytest
from django.test import Client

from tests.factories.vault_fixture import Strongroom
from tests.web.vault import pages

pytestmark = pytest.mark.django_db


def test_the_vault_shows_what_waits_first_then_what_is_kept_and_who_signed_it(
    buyer: Client, room: Strongroom
) -> None:
    page = pages.page(buyer, "/vaults")
    assert page.index('id="waiting"') < page.index('id="kept"') < page.index('id="refused"')
    assert f"/vaults/imports/{room.waiting.pk}" in page
    assert "this installation (buyers)" in page
    assert "Mintmark of Acme" in page
    assert "bad_signature" in page


def test_the_list_is_narrowed_to_one_purpose(buyer: Client) -> None:
    page = pages.page(buyer, "/vaults?purpose=receipt")
    assert "receipt-" in page
    assert "On-call lines" not in page


def test_a_purpose_that_there_is_not_is_a_bad_address(buyer: Client) -> None:
    assert "must be one of" in pages.page(buyer, "/vaults?purpose=gift", status=400)


def test_others_see_nothing_of_it_and_an_empty_vault_teaches_the_next_step(
    stranger: Client, room: Strongroom
) -> None:
    page = pages.page(stranger, "/vaults")
    assert "On-call lines" not in page
    assert "mintmark vault export" in page
    for path in (f"/vaults/{room.exported.pk}", f"/vaults/{room.exported.pk}/file"):
        assert "Page not found" in pages.page(stranger, path, status=404)
    assert "Page not found" in pages.page(
        stranger, f"/vaults/imports/{room.waiting.pk}", status=404
    )
