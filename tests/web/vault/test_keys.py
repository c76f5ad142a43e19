"""Keys that sign, keys that count, and lists of withdrawals."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from mintmark.registry.models import Prompt
from mintmark.signing import dsse, revocation_list
from mintmark.vault.models import (
    SigningKey,
    TrustedKey,
)
from tests.bundles.payloads import HOUSE, key
from tests.factories.vault_fixture import FROM_ABROAD, Strongroom, changed
from tests.web import markup
from tests.web.vault import pages

pytestmark = pytest.mark.django_db


def test_an_author_makes_replaces_and_revokes_his_teams_key(
    buyer: Client, room: Strongroom
) -> None:
    team = room.cast.buyers.pk
    day = (timezone.now() + timedelta(days=400)).date()
    pages.post(
        buyer, "/vaults/keys", **{"do": "make", "for": team, "expires": str(day), "note": "new"}
    )
    made = SigningKey.objects.order_by("-id").first()
    assert made is not None
    assert made.expires_at is not None
    assert (made.team_id, made.note, made.expires_at.date()) == (team, "new", day)
    pages.post(buyer, "/vaults/keys", do="rotate", id=made.pk)
    made.refresh_from_db()
    assert made.retired_at is not None
    assert pages.post(buyer, "/vaults/keys", do="revoke", id=made.pk, reason="").status_code == 422
    pages.post(buyer, "/vaults/keys", do="revoke", id=made.pk, reason="a laptop was lost")
    page = pages.page(buyer, "/vaults/keys")
    assert "a laptop was lost" in page
    assert "PUBLIC KEY" in page


def test_the_installations_key_and_trust_are_not_for_everybody(
    buyer: Client, admin: Client, room: Strongroom
) -> None:
    house = SigningKey.objects.filter(team__isnull=True).first()
    assert house is not None
    assert pages.post(buyer, "/vaults/keys", do="rotate", id=house.pk).status_code == 422
    sent = {"do": "trust", "key": dsse.get_key_id(key("another")), "name": "X", "reason": "y"}
    assert "Only administrators can trust a key" in markup.read(
        pages.post(buyer, "/vaults/keys", **sent)
    )
    assert not TrustedKey.objects.filter(name="X").exists()
    pem = dsse.export_pem(dsse.get_key_id(key("another")))
    pages.post(admin, "/vaults/keys", **(sent | {"key": pem}))
    assert TrustedKey.objects.get(name="X").key_id == dsse.get_key_id(key("another"))
    pages.post(admin, "/vaults/keys", do="distrust", id=room.trusted.pk, reason="it was stolen")
    assert "it was stolen" in pages.page(admin, "/vaults/keys")


def test_what_is_no_key_and_what_is_no_day_is_said(admin: Client) -> None:
    bad = pages.post(admin, "/vaults/keys", do="trust", key="abc", name="X", reason="y")
    assert "neither a key id" in markup.read(bad)
    assert ">abc</textarea>" in markup.read(bad)
    late = pages.post(
        admin, "/vaults/keys", **{"do": "make", "for": "house", "expires": "tomorrow"}
    )
    assert "must be a date" in markup.read(late)


def test_a_page_leads_back_here_alone(admin: Client) -> None:
    sent = {"do": "trust", "key": dsse.get_key_id(key("other")), "name": "X", "reason": "y"}
    answer = pages.post(admin, "/vaults/keys", **sent, next="https://example.com/")
    assert answer.headers["Location"] == "/vaults/keys"


def test_the_list_of_withdrawals_is_handed_out_signed(buyer: Client, room: Strongroom) -> None:
    held = room.holdings
    held.market.withdraw_permanently(
        caller=room.buyer, prompt=held.forked, reason="it misleads", now=held.now
    )
    answer = buyer.get("/vaults/withdrawals")
    listed = revocation_list.verify(answer.content).revocations
    assert [one.name for one in listed.revoked] == ["buyers/incident-line@1"]
    assert "names 1 exported prompt that was revoked later" in pages.words(
        pages.page(buyer, "/vaults/keys")
    )


def test_a_list_of_others_acts_at_once(admin: Client, buyer: Client, room: Strongroom) -> None:
    came = Prompt.objects.get(text=FROM_ABROAD)
    raw = revocation_list.sign(
        revocation_list.build_list(
            issuer=revocation_list.RevocationIssuer(
                installation="0123456789abcdef0123456789abcdef", name="Mintmark of Acme"
            ),
            revoked=[
                revocation_list.RevokedPrompt(
                    digest=came.digest, name="abroad/by-price@1", reason="it is unfair",
                    at="2026-11-01T12:00:00.000000Z",
                )
            ],
            revoked_keys=[],
        ),
        keys=[HOUSE],
    ).to_bytes()  # fmt: skip
    assert pages.post(buyer, "/vaults/keys", do="take", file=pages.file(raw)).status_code == 422
    bad = pages.post(admin, "/vaults/keys", do="take", file=pages.file(changed(raw)))
    assert "bad_signature" in markup.read(bad)
    pages.post(admin, "/vaults/keys", do="take", file=pages.file(raw))
    assert "it is unfair" in Prompt.objects.get(pk=came.pk).tombstone.reason
    assert "01234567…" in pages.page(admin, "/vaults/keys")
