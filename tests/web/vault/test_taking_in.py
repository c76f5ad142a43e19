"""Taking a file in, and what is said of one that is refused."""

import hashlib
from typing import Any

import pytest
from django.test import Client

from mintmark.vault.models import (
    BundleImport,
)
from tests.bundles.payloads import prompt, sealed
from tests.factories.vault_fixture import Strongroom, changed
from tests.web import markup
from tests.web.vault import pages

pytestmark = pytest.mark.django_db


def test_a_good_file_goes_to_quarantine(buyer: Client, room: Strongroom) -> None:
    raw = sealed([prompt("abroad/another@1", text="Say {word} twice.", variables=["word"])])
    answer = pages.post(buyer, "/vaults/take-in", team=room.cast.buyers.pk, file=pages.file(raw))
    one = BundleImport.objects.order_by("-id").first()
    assert one is not None
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/vaults/imports/{one.pk}")
    assert "Say {word} twice." in pages.page(buyer, answer.headers["Location"])


def test_a_changed_file_is_refused_with_code_meaning_and_what_to_do(
    buyer: Client, room: Strongroom
) -> None:
    raw = changed(sealed())
    answer = pages.post(buyer, "/vaults/take-in", team=room.cast.buyers.pk, file=pages.file(raw))
    page = pages.words(pages.page(buyer, answer.headers["Location"]))
    assert "bad_signature" in page
    assert "The file was changed after it was signed" in page
    assert "Have the file sent again" in page


def test_no_file_no_team_and_too_large_a_file_are_said(
    buyer: Client, room: Strongroom, settings: Any
) -> None:
    team = room.cast.buyers.pk
    count = BundleImport.objects.count()
    assert "Choose a file first" in markup.read(pages.post(buyer, "/vaults/take-in", team=team))
    other = pages.post(buyer, "/vaults/take-in", team=room.cast.sellers.pk, file=pages.file(b"{}"))
    assert "Choose a team" in markup.read(other)
    assert BundleImport.objects.count() == count
    settings.VAULT_MAX_BYTES = 1_000
    large = pages.post(buyer, "/vaults/take-in", team=team, file=pages.file(b"x" * 1_001))
    assert "It has 1,001 bytes, and 1,000 are taken." in pages.page(
        buyer, large.headers["Location"]
    )
    kept = BundleImport.objects.latest("id")
    assert (kept.state, kept.code, kept.size) == ("refused", "too_large", 1_001)
    assert kept.digest == hashlib.sha256(b"x" * 1_001).hexdigest()
    again = pages.post(buyer, "/vaults/take-in", team=team, file=pages.file(b"x" * 1_001))
    assert again.headers["Location"] == large.headers["Location"]


def test_a_file_that_was_taken_in_leads_to_its_bundle(buyer: Client, room: Strongroom) -> None:
    raw = room.from_abroad()
    answer = pages.post(buyer, "/vaults/take-in", team=room.cast.buyers.pk, file=pages.file(raw))
    assert answer.headers["Location"] == f"/vaults/{room.accepted.vault_id}"
