"""Quarantine: what waits is inert, looked at, and decided on."""

import re

import pytest
from django.test import Client

from mintmark.projection.prompt_models import ImportedReputation
from mintmark.registry.models import Prompt
from mintmark.signing import dsse
from mintmark.vault.models import (
    BundleImport,
)
from tests.bundles.payloads import STRANGER, prompt, sealed
from tests.factories.vault_fixture import HIDING, Strongroom
from tests.web import markup
from tests.web.vault import pages

pytestmark = pytest.mark.django_db


def test_a_text_that_waits_is_inert_and_hides_nothing(buyer: Client, room: Strongroom) -> None:
    page = pages.page(buyer, f"/vaults/imports/{room.waiting.pk}")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert not set("\u202e\u200b") & set(page)
    assert "U+202E RIGHT-TO-LEFT OVERRIDE" in page
    assert "U+200B ZERO WIDTH SPACE × 3" in page
    assert '<mark title="a call to drop earlier instructions">' in page


def test_what_is_found_is_said_with_its_place_and_who_may_pass_over_it(
    buyer: Client, room: Strongroom
) -> None:
    page = pages.words(pages.page(buyer, f"/vaults/imports/{room.waiting.pk}"))
    assert "hidden characters in abroad/hiding@1: RIGHT-TO-LEFT OVERRIDE (U+202E) at line 1" in page
    assert "needs an administrator" in page
    assert "only administrators can accept this file" in page


def test_what_is_known_here_by_its_digest_is_said(buyer: Client, room: Strongroom) -> None:
    page = pages.page(buyer, f"/vaults/imports/{room.waiting.pk}")
    assert "1 of 2 are new here" in page
    assert f"/prompts/{room.holdings.forked.pk}/reputation" in page


def test_what_the_weight_does_is_said_in_numbers(buyer: Client, room: Strongroom) -> None:
    one = room.brought(sealed([prompt("abroad/another@1", text="Say {word}.", variables=[])]))
    page = pages.words(pages.page(buyer, f"/vaults/imports/{one.pk}"))
    # (0.84 − 0.61) · n / (n + 12)
    assert "would start here at the average with 0, +0.10 at 10, +0.19 at 50 runs" in page
    assert "compared with the 12 runs of the prior" in page


def test_an_author_takes_in_what_hides_nothing(buyer: Client, room: Strongroom) -> None:
    one = room.brought(sealed([prompt("abroad/another@1", text="Say {word}.", variables=[])]))
    path = f"/vaults/imports/{one.pk}"
    sent = pages.post(buyer, path, do="accept", runs="5", namespace="guests-of-ours", reason="")
    one.refresh_from_db()
    assert sent.headers["Location"] == f"/vaults/{one.vault_id}"
    came = Prompt.objects.get(namespace="guests-of-ours")
    assert ImportedReputation.objects.get(prompt=came).runs == 5.0
    shown = pages.words(pages.page(buyer, f"/prompts/{came.pk}/reputation"))
    assert "Imported from Mintmark of Acme" in shown
    assert (
        "Its score there was 0.84 (90% between 0.79 and 0.88, over 124 runs, on task:triage)"
        in shown
    )
    assert "a lift of +0.23 with the weight of 5 runs" in shown
    assert "imported it" in pages.page(buyer, path).lower()


def test_an_admin_passes_over_hidden_characters_with_a_reason(
    admin: Client, room: Strongroom
) -> None:
    path = f"/vaults/imports/{room.waiting.pk}"
    without = pages.post(admin, path, do="accept", runs="10", reason="")
    assert without.status_code == 422
    assert "The file is still in quarantine" in markup.read(without)
    pages.post(admin, path, do="accept", runs="10", reason="looked at each of them")
    room.waiting.refresh_from_db()
    assert room.waiting.state == BundleImport.State.ACCEPTED
    assert Prompt.objects.filter(text=HIDING).exists()


def test_refusing_takes_a_reason_and_keeps_nothing(buyer: Client, room: Strongroom) -> None:
    path = f"/vaults/imports/{room.waiting.pk}"
    assert pages.post(buyer, path, do="refuse", reason=" ").status_code == 422
    pages.post(buyer, path, do="refuse", reason="it hides something")
    room.waiting.refresh_from_db()
    assert room.waiting.envelope == ""
    page = pages.page(buyer, path)
    assert "it hides something" in page
    assert "abroad/hiding" not in page


def test_trusting_a_key_is_an_act_of_its_own_from_the_page_where_one_sees_it(
    admin: Client, buyer: Client, room: Strongroom
) -> None:
    path, unknown = f"/vaults/imports/{room.strange.pk}", dsse.get_key_id(STRANGER)
    assert "An administrator can trust a key" in pages.page(buyer, path)
    assert 'value="trust"' not in pages.page(buyer, path)
    page = pages.page(admin, path)
    assert f'name="key" value="{unknown}"' in page
    for digits in re.findall(r".{8}", unknown):
        assert f"<span>{digits}</span>" in page
    sent = {"do": "trust", "key": unknown, "name": "A stranger no more", "reason": "we met"}
    answer = pages.post(admin, "/vaults/keys", **sent, next=path)
    assert answer.headers["Location"] == path
    assert "A stranger no more" in pages.page(buyer, path)


def test_what_waits_is_closed_to_an_auditor(room: Strongroom) -> None:
    auditor = room.holdings.scene.client(room.cast.auditor)
    page = pages.page(auditor, f"/vaults/imports/{room.waiting.pk}")
    assert "for the authors of team buyers" in page
    assert "Sort {ticket}" not in page


def test_a_long_text_is_shown_in_parts(buyer: Client, room: Strongroom) -> None:
    text = "a" * 2_999 + "\u200b" + "b" * 60_000
    one = room.brought(sealed([prompt("abroad/long@1", text=text, variables=[])]))
    path = f"/vaults/imports/{one.pk}"
    first = pages.page(buyer, path)
    assert "U+200B" in first
    assert "b" * 10 not in first.split('class="inert"')[1].split("</pre>")[0]
    whole = pages.page(buyer, f"{path}?prompt=1")
    assert "b" * 40_000 in whole
    assert "at=50000" in whole
    assert "b" * 10_000 in pages.page(buyer, f"{path}?prompt=1&at=50000")


def test_a_bundle_of_many_prompts_is_paged(buyer: Client, room: Strongroom) -> None:
    many = [prompt(f"abroad/p{n}@1", text=f"Say {n}.", variables=[]) for n in range(60)]
    one = room.brought(sealed(many))
    answer = buyer.get(f"/vaults/imports/{one.pk}")
    assert len(answer.content) < 100_000
    assert "1 to 10 of 60" in markup.read(answer)
    assert "Say 59." in pages.page(buyer, f"/vaults/imports/{one.pk}?from=51")
    pages.post(buyer, f"/vaults/imports/{one.pk}", do="accept", runs="")
    one.refresh_from_db()
    assert "26 to 50 of 60" in pages.page(buyer, f"/vaults/{one.vault_id}?from=26")
