"""A bundle: what it tells, who signed it, what one can do with it."""

import io
import zipfile

import pytest
from django.test import Client

from mintmark.signing import bundles, dsse, folder_manifest
from mintmark.vault import keys
from mintmark.vault.models import (
    PromptMarketplaceVault,
)
from tests.bundles import generate
from tests.bundles.payloads import HOUSE
from tests.factories.vault_fixture import Strongroom, changed
from tests.web.vault import pages

pytestmark = pytest.mark.django_db


def test_a_bundle_says_what_it_tells_and_that_it_still_holds(
    buyer: Client, room: Strongroom
) -> None:
    page = pages.words(pages.page(buyer, f"/vaults/{room.accepted.vault_id}"))
    assert "All signatures are valid, and enough are by trusted keys" in page
    assert "reported by Mintmark of Acme" in page
    assert "over 34 runs on task:triage, where an average prompt scored 0.61" in page
    assert "forked from abroad/by-price@1 (@tone+)" in page
    assert "sales owe 5% to Acme, for abroad/by-price@1" in page


def test_an_own_bundle_calls_its_reputation_its_own(buyer: Client, room: Strongroom) -> None:
    page = pages.words(pages.page(buyer, f"/vaults/{room.exported.pk}"))
    assert "score at the export" in page
    assert "reported by" not in page.split("Contents")[1]
    assert "acme/incident-brief@1" in page.split("Ancestors")[1]


def test_a_key_that_was_revoked_since_is_said_where_its_signature_stands(
    buyer: Client, room: Strongroom
) -> None:
    keys.distrust_key(
        caller=room.admin, key=room.trusted, reason="it was stolen", now=room.holdings.now
    )
    page = pages.words(pages.page(buyer, f"/vaults/{room.accepted.vault_id}"))
    assert "All signatures are valid, but too few are by trusted keys" in page
    assert "a key that was revoked on" in page


def test_a_bundle_is_handed_out_to_the_byte(buyer: Client, room: Strongroom) -> None:
    answer = buyer.get(f"/vaults/{room.exported.pk}/file")
    assert answer.content == room.exported.symbolic_signature.encode()
    assert answer["Content-Disposition"].startswith('attachment; filename="on-call-lines-')
    assert bundles.verify(answer.content).bundle.prompt_set.name == "On-call lines"


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("skill", "skills/buyers-incident-line-1/SKILL.md"),
        ("dotprompt", "prompts/buyers-incident-line-1.prompt"),
    ],
)
def test_a_bundle_is_handed_out_as_a_signed_folder(
    buyer: Client, room: Strongroom, kind: str, path: str
) -> None:
    answers = [buyer.get(f"/vaults/{room.exported.pk}/folder?kind={kind}") for _ in range(2)]
    assert answers[0].content == answers[1].content
    with zipfile.ZipFile(io.BytesIO(answers[0].content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    assert path in files
    assert room.own_key.key_id in folder_manifest.verify(files)


def test_a_text_that_the_team_may_not_use_any_more_is_not_handed_out(
    buyer: Client, room: Strongroom
) -> None:
    held = room.holdings
    held.market.withdraw_permanently(
        caller=held.caller(room.cast.seller), prompt=held.brief, reason="it misleads", now=held.now
    )
    assert room.receipt is not None
    assert "may no longer use" in pages.page(buyer, f"/vaults/{room.receipt.pk}")
    assert "may no longer use" in pages.page(buyer, f"/vaults/{room.receipt.pk}/file", status=403)


def test_countersigning_gives_the_file_with_one_signature_more(
    buyer: Client, room: Strongroom
) -> None:
    vault = room.accepted.vault_id
    answer = pages.post(buyer, f"/vaults/{vault}/countersign", **{"as": room.cast.buyers.pk})
    assert answer.status_code == 200
    assert {room.own_key.key_id, dsse.get_key_id(HOUSE)} <= bundles.verify(answer.content).key_ids
    assert PromptMarketplaceVault.objects.count() == 3


def test_countersigning_for_the_installation_is_not_for_everybody(
    buyer: Client, admin: Client, room: Strongroom
) -> None:
    path = f"/vaults/{room.accepted.vault_id}/countersign"
    assert pages.post(buyer, path, **{"as": "house"}).status_code == 403
    assert pages.post(buyer, path, **{"as": "nobody"}).status_code == 404
    assert pages.post(admin, path, **{"as": "house"}).status_code == 200


def test_a_row_that_somebody_altered_is_said_to_hold_no_more(
    buyer: Client, room: Strongroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "mintmark.vault.bundle_store.get_raw_file", lambda _: changed(generate.good()["small"])
    )
    page = pages.page(buyer, f"/vaults/{room.exported.pk}")
    assert "This bundle was altered" in page
    assert "mintmark audit" in page
