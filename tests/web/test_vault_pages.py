"""The pages of the vault: bundles, making one, taking one in, quarantine, keys, withdrawals."""

import io
import json
import re
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from mintmark.accounts.models import Role
from mintmark.core import bundles, dsse, folders, revocations
from mintmark.core.screening import Mark
from mintmark.registry.models import Prompt
from mintmark.reputation.models import ForeignReputation
from mintmark.vault import keys
from mintmark.vault.models import (
    BundleImport,
    PromptMarketplaceVault,
    SigningKey,
    TrustedKey,
)
from mintmark.web import inert, refused
from tests.bundles import make
from tests.bundles.bodies import HOUSE, STRANGER, key, prompt, sealed
from tests.cast import person
from tests.web.fair import Fair
from tests.web.holdings import Holdings
from tests.web.strongroom import FROM_ABROAD, HIDING, Strongroom, changed

pytestmark = pytest.mark.django_db


@pytest.fixture
def room(holdings: Holdings) -> Strongroom:
    return Strongroom(holdings)


@pytest.fixture
def buyer(room: Strongroom) -> Client:
    return room.holdings.scene.client(room.cast.buyer)


@pytest.fixture
def admin(room: Strongroom) -> Client:
    return room.holdings.scene.client(room.holdings.scene.admin)


@pytest.fixture
def stranger(room: Strongroom) -> Client:
    return room.holdings.scene.client(room.cast.stranger)


def _page(client: Client, path: str, *, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, answer.content.decode()[:2000]
    return answer.content.decode()


def _words(page: str) -> str:
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    return re.sub(r" ([,.:;)])", r"\1", text)


def _post(client: Client, path: str, **sent: Any) -> HttpResponse:
    return client.post(path, sent)  # type: ignore[return-value]


def _file(raw: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("bundle.json", raw, content_type="application/json")


# The list


def test_the_vault_shows_what_waits_first_then_what_is_kept_and_who_signed_it(
    buyer: Client, room: Strongroom
) -> None:
    page = _page(buyer, "/vaults")
    assert page.index('id="waiting"') < page.index('id="kept"') < page.index('id="refused"')
    assert f"/vaults/imports/{room.waiting.pk}" in page
    assert "this installation (buyers)" in page
    assert "Mintmark of Acme" in page
    assert "bad_signature" in page


def test_the_list_is_narrowed_to_one_purpose(buyer: Client) -> None:
    page = _page(buyer, "/vaults?purpose=receipt")
    assert "receipt-" in page
    assert "On-call lines" not in page


def test_a_purpose_that_there_is_not_is_a_bad_address(buyer: Client) -> None:
    assert "must be one of" in _page(buyer, "/vaults?purpose=gift", status=400)


def test_others_see_nothing_of_it_and_an_empty_vault_teaches_the_next_step(
    stranger: Client, room: Strongroom
) -> None:
    page = _page(stranger, "/vaults")
    assert "On-call lines" not in page
    assert "mintmark vault export" in page
    for path in (f"/vaults/{room.exported.pk}", f"/vaults/{room.exported.pk}/file"):
        assert "There is nothing here" in _page(stranger, path, status=404)
    assert "There is nothing here" in _page(
        stranger, f"/vaults/imports/{room.waiting.pk}", status=404
    )


# A bundle


def test_a_bundle_says_what_it_tells_and_that_it_still_holds(
    buyer: Client, room: Strongroom
) -> None:
    page = _words(_page(buyer, f"/vaults/{room.accepted.vault_id}"))
    assert "Every signature holds, and enough of them count here" in page
    assert "told by Mintmark of Acme" in page
    assert "over 34 runs on task:triage, where an average prompt scored 0.61" in page
    assert "forked from abroad/by-price@1 (@tone+)" in page
    assert "sales owe 5% to Acme, for abroad/by-price@1" in page


def test_an_own_bundle_calls_its_reputation_its_own(buyer: Client, room: Strongroom) -> None:
    page = _words(_page(buyer, f"/vaults/{room.exported.pk}"))
    assert "measured here, then" in page
    assert "told by" not in page.split("What it tells")[1].split("told by its author")[0]
    assert "acme/incident-brief@1" in page.split("What they descend from")[1]


def test_a_key_that_was_revoked_since_is_said_where_its_signature_stands(
    buyer: Client, room: Strongroom
) -> None:
    keys.distrust(
        caller=room.admin, key=room.trusted, reason="it was stolen", now=room.holdings.now
    )
    page = _words(_page(buyer, f"/vaults/{room.accepted.vault_id}"))
    assert "Every signature holds, but they do not count here" in page
    assert "a key that was revoked on" in page


def test_a_bundle_is_handed_out_to_the_byte(buyer: Client, room: Strongroom) -> None:
    answer = buyer.get(f"/vaults/{room.exported.pk}/file")
    assert answer.content == room.exported.symbolic_signature.encode()
    assert answer["Content-Disposition"].startswith('attachment; filename="on-call-lines-')
    assert bundles.opened(answer.content).bundle.prompt_set.name == "On-call lines"


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
    assert room.own_key.key_id in folders.check(files)


def test_a_text_that_the_team_may_not_use_any_more_is_not_handed_out(
    buyer: Client, room: Strongroom
) -> None:
    held = room.holdings
    held.market.entomb(
        caller=held.caller(room.cast.seller), prompt=held.brief, reason="it misleads", now=held.now
    )
    assert room.receipt is not None
    assert "may no longer use" in _page(buyer, f"/vaults/{room.receipt.pk}")
    assert "may no longer use" in _page(buyer, f"/vaults/{room.receipt.pk}/file", status=403)


def test_countersigning_gives_the_file_with_one_signature_more(
    buyer: Client, room: Strongroom
) -> None:
    vault = room.accepted.vault_id
    answer = _post(buyer, f"/vaults/{vault}/countersign", **{"as": room.cast.buyers.pk})
    assert answer.status_code == 200
    assert {room.own_key.key_id, dsse.key_id(HOUSE)} <= bundles.opened(answer.content).key_ids
    assert PromptMarketplaceVault.objects.count() == 3


def test_countersigning_for_the_installation_is_not_for_everybody(
    buyer: Client, admin: Client, room: Strongroom
) -> None:
    path = f"/vaults/{room.accepted.vault_id}/countersign"
    assert _post(buyer, path, **{"as": "house"}).status_code == 403
    assert _post(buyer, path, **{"as": "nobody"}).status_code == 404
    assert _post(admin, path, **{"as": "house"}).status_code == 200


def test_a_row_that_somebody_altered_is_said_to_hold_no_more(
    buyer: Client, room: Strongroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mintmark.vault.vaults.file_of", lambda _: changed(make.good()["small"]))
    page = _page(buyer, f"/vaults/{room.exported.pk}")
    assert "This bundle does not hold any more" in page
    assert "mintmark audit" in page


# Making one


def test_what_may_be_told_is_offered_and_what_may_not_says_why(
    buyer: Client, room: Strongroom
) -> None:
    page = _page(buyer, "/vaults/new")
    assert f'value="{room.holdings.forked.pk}"' in page
    assert "buyers/incident-line@1" in page
    assert "The licence of acme/triage@1" in page.split("but not tell")[1]


def test_one_sees_what_is_told_before_it_is_signed(buyer: Client, room: Strongroom) -> None:
    before = PromptMarketplaceVault.objects.count()
    sent = {
        "do": "look",
        "team": room.cast.buyers.pk,
        "prompt": [room.holdings.forked.pk],
        "name": "Lines",
        "events": "1",
    }
    page = _words(_post(buyer, "/vaults/new", **sent).content.decode())
    assert "What it tells whoever gets the file" in page
    assert "whole text of 1 prompt" in page
    assert "royalties that sales elsewhere owe, to seller" in page
    assert "under pseudonyms" in page or "no single piece of evidence" in page
    assert PromptMarketplaceVault.objects.count() == before
    made = _post(buyer, "/vaults/new", **(sent | {"do": "make"}))
    vault = PromptMarketplaceVault.objects.order_by("-id").first()
    assert vault is not None
    assert made.headers["Location"] == f"/vaults/{vault.pk}"
    assert vault.name == "Lines"


def test_what_may_not_be_told_is_left_out_and_named(buyer: Client, room: Strongroom) -> None:
    sent = {
        "team": room.cast.buyers.pk,
        "prompt": [room.cast.prompt.pk, room.holdings.forked.pk],
    }
    looked = _post(buyer, "/vaults/new", do="look", **sent).content.decode()
    assert "Left out, and why" in looked
    form = looked.split('name="do" value="make"')[1]
    assert f'name="prompt" value="{room.holdings.forked.pk}"' in form
    assert f'name="prompt" value="{room.cast.prompt.pk}"' not in form
    refused_ = _post(buyer, "/vaults/new", do="make", **sent)
    assert refused_.status_code == 422
    assert "Nothing was signed" in refused_.content.decode()


def test_a_set_is_told_as_a_whole_under_its_own_words(room: Strongroom) -> None:
    fair = Fair(room.holdings)
    seller = room.holdings.scene.client(room.cast.seller)
    assert f"set={fair.set.name}" in _page(seller, f"/market/sets/{fair.set.name}")
    sent = {"do": "look", "team": room.cast.sellers.pk, "set": fair.set.name}
    page = _post(seller, "/vaults/new", **sent).content.decode()
    assert "Sign and hand out 5 prompts?" in page
    assert 'value="On-call starter"' in page


def test_nothing_chosen_is_said(buyer: Client, room: Strongroom) -> None:
    answer = _post(buyer, "/vaults/new", do="look", team=room.cast.buyers.pk)
    assert answer.status_code == 422
    assert "tick at least one prompt" in answer.content.decode()


def test_whoever_has_no_role_is_told_which_one_it_takes(stranger: Client) -> None:
    assert "takes the role ‘author’ or ‘operator’" in _page(stranger, "/vaults/new")
    assert "takes the role ‘author’" in _page(stranger, "/vaults/take-in")


def test_a_receipt_leads_to_its_bundle(buyer: Client, room: Strongroom) -> None:
    assert room.receipt is not None
    transfer = room.holdings.receipt.transfer
    assert f"/vaults/{room.receipt.pk}" in _page(buyer, f"/market/receipts/{transfer}")
    again = _post(buyer, f"/market/receipts/{transfer}/bundle")
    assert again.headers["Location"] == f"/vaults/{room.receipt.pk}"


def test_a_receipt_without_a_bundle_has_a_button_that_signs_it(
    buyer: Client, room: Strongroom
) -> None:
    bought = room.holdings.bought(
        room.holdings.escalate_listing, by=room.cast.buyer, at=room.holdings.now
    )
    path = f"/market/receipts/{bought.transfer}"
    assert f'action="{path}/bundle"' in _page(buyer, path)
    made = _post(buyer, f"{path}/bundle")
    assert "Receipt" in _page(buyer, made.headers["Location"])


# Taking one in


def test_a_good_file_goes_to_quarantine(buyer: Client, room: Strongroom) -> None:
    raw = sealed([prompt("abroad/another@1", text="Say {word} twice.", variables=["word"])])
    answer = _post(buyer, "/vaults/take-in", team=room.cast.buyers.pk, file=_file(raw))
    one = BundleImport.objects.order_by("-id").first()
    assert one is not None
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/vaults/imports/{one.pk}")
    assert "Say {word} twice." in _page(buyer, answer.headers["Location"])


def test_a_changed_file_is_refused_with_code_meaning_and_what_to_do(
    buyer: Client, room: Strongroom
) -> None:
    raw = changed(sealed())
    answer = _post(buyer, "/vaults/take-in", team=room.cast.buyers.pk, file=_file(raw))
    page = _words(_page(buyer, answer.headers["Location"]))
    assert "bad_signature" in page
    assert "The file was changed after it was signed" in page
    assert "Have the file sent again" in page


def test_no_file_no_team_and_too_large_a_file_are_said(
    buyer: Client, room: Strongroom, settings: Any
) -> None:
    team = room.cast.buyers.pk
    count = BundleImport.objects.count()
    assert "choose one first" in _post(buyer, "/vaults/take-in", team=team).content.decode()
    other = _post(buyer, "/vaults/take-in", team=room.cast.sellers.pk, file=_file(b"{}"))
    assert "Choose a team" in other.content.decode()
    settings.VAULT_MAX_BYTES = 1_000
    large = _post(buyer, "/vaults/take-in", team=team, file=_file(b"x" * 1_001))
    assert large.status_code == 422
    assert "too_large" in large.content.decode()
    assert BundleImport.objects.count() == count


def test_a_file_that_was_taken_in_leads_to_its_bundle(buyer: Client, room: Strongroom) -> None:
    raw = room.from_abroad()
    answer = _post(buyer, "/vaults/take-in", team=room.cast.buyers.pk, file=_file(raw))
    assert answer.headers["Location"] == f"/vaults/{room.accepted.vault_id}"


# Quarantine


def test_a_text_that_waits_is_inert_and_hides_nothing(buyer: Client, room: Strongroom) -> None:
    page = _page(buyer, f"/vaults/imports/{room.waiting.pk}")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert not set("\u202e\u200b") & set(page)
    assert "U+202E RIGHT-TO-LEFT OVERRIDE" in page
    assert "U+200B ZERO WIDTH SPACE × 3" in page
    assert '<mark title="a call to drop earlier instructions">' in page


def test_what_is_found_is_said_with_its_place_and_who_may_pass_over_it(
    buyer: Client, room: Strongroom
) -> None:
    page = _words(_page(buyer, f"/vaults/imports/{room.waiting.pk}"))
    assert "hidden characters in abroad/hiding@1: RIGHT-TO-LEFT OVERRIDE (U+202E) at line 1" in page
    assert "for an admin to pass over" in page
    assert "taking it in takes one" in page


def test_what_is_known_here_by_its_digest_is_said(buyer: Client, room: Strongroom) -> None:
    page = _page(buyer, f"/vaults/imports/{room.waiting.pk}")
    assert "1 of 2 would be new here" in page
    assert f"/prompts/{room.holdings.forked.pk}/reputation" in page


def test_what_the_weight_does_is_said_in_numbers(buyer: Client, room: Strongroom) -> None:
    one = room.brought(sealed([prompt("abroad/another@1", text="Say {word}.", variables=[])]))
    page = _words(_page(buyer, f"/vaults/imports/{one.pk}"))
    # (0.84 − 0.61) · n / (n + 12)
    assert "would start here at the average with 0, +0.10 at 10, +0.19 at 50 runs" in page
    assert "weighed beside the 12 runs of the prior" in page


def test_an_author_takes_in_what_hides_nothing(buyer: Client, room: Strongroom) -> None:
    one = room.brought(sealed([prompt("abroad/another@1", text="Say {word}.", variables=[])]))
    path = f"/vaults/imports/{one.pk}"
    sent = _post(buyer, path, do="accept", runs="5", namespace="guests-of-ours", reason="")
    one.refresh_from_db()
    assert sent.headers["Location"] == f"/vaults/{one.vault_id}"
    came = Prompt.objects.get(namespace="guests-of-ours")
    assert ForeignReputation.objects.get(prompt=came).runs == 5.0
    shown = _words(_page(buyer, f"/prompts/{came.pk}/reputation"))
    assert "It came from Mintmark of Acme" in shown
    assert (
        "There it scored 0.84 (90% between 0.79 and 0.88, over 124 runs, on task:triage)" in shown
    )
    assert "a lift of +0.23 as 5 runs" in shown
    assert "taken in" in _page(buyer, path).lower()


def test_an_admin_passes_over_hidden_characters_with_a_reason(
    admin: Client, room: Strongroom
) -> None:
    path = f"/vaults/imports/{room.waiting.pk}"
    without = _post(admin, path, do="accept", runs="10", reason="")
    assert without.status_code == 422
    assert "it still waits" in without.content.decode()
    _post(admin, path, do="accept", runs="10", reason="looked at each of them")
    room.waiting.refresh_from_db()
    assert room.waiting.state == BundleImport.State.ACCEPTED
    assert Prompt.objects.filter(text=HIDING).exists()


def test_refusing_takes_a_reason_and_keeps_nothing(buyer: Client, room: Strongroom) -> None:
    path = f"/vaults/imports/{room.waiting.pk}"
    assert _post(buyer, path, do="refuse", reason=" ").status_code == 422
    _post(buyer, path, do="refuse", reason="it hides something")
    room.waiting.refresh_from_db()
    assert room.waiting.envelope == ""
    page = _page(buyer, path)
    assert "it hides something" in page
    assert "abroad/hiding" not in page


def test_trusting_a_key_is_an_act_of_its_own_from_the_page_where_one_sees_it(
    admin: Client, buyer: Client, room: Strongroom
) -> None:
    path, unknown = f"/vaults/imports/{room.strange.pk}", dsse.key_id(STRANGER)
    assert "An admin may trust this key" in _page(buyer, path)
    assert 'value="trust"' not in _page(buyer, path)
    page = _page(admin, path)
    assert f'name="key" value="{unknown}"' in page
    for digits in re.findall(r".{8}", unknown):
        assert f"<span>{digits}</span>" in page
    sent = {"do": "trust", "key": unknown, "name": "A stranger no more", "reason": "we met"}
    answer = _post(admin, "/vaults/keys", **sent, next=path)
    assert answer.headers["Location"] == path
    assert "A stranger no more" in _page(buyer, path)


def test_what_waits_is_closed_to_an_auditor(room: Strongroom) -> None:
    auditor = room.holdings.scene.client(room.cast.auditor)
    page = _page(auditor, f"/vaults/imports/{room.waiting.pk}")
    assert "for the authors of team buyers" in page
    assert "Sort {ticket}" not in page


def test_a_long_text_is_shown_in_parts(buyer: Client, room: Strongroom) -> None:
    text = "a" * 2_999 + "\u200b" + "b" * 60_000
    one = room.brought(sealed([prompt("abroad/long@1", text=text, variables=[])]))
    path = f"/vaults/imports/{one.pk}"
    first = _page(buyer, path)
    assert "U+200B" in first
    assert "b" * 10 not in first.split('class="inert"')[1].split("</pre>")[0]
    whole = _page(buyer, f"{path}?prompt=1")
    assert "b" * 40_000 in whole
    assert "at=50000" in whole
    assert "b" * 10_000 in _page(buyer, f"{path}?prompt=1&at=50000")


def test_a_bundle_of_many_prompts_is_paged(buyer: Client, room: Strongroom) -> None:
    many = [prompt(f"abroad/p{n}@1", text=f"Say {n}.", variables=[]) for n in range(60)]
    one = room.brought(sealed(many))
    answer = buyer.get(f"/vaults/imports/{one.pk}")
    assert len(answer.content) < 100_000
    assert "1 to 10 of 60" in answer.content.decode()
    assert "Say 59." in _page(buyer, f"/vaults/imports/{one.pk}?from=51")
    _post(buyer, f"/vaults/imports/{one.pk}", do="accept", runs="")
    one.refresh_from_db()
    assert "26 to 50 of 60" in _page(buyer, f"/vaults/{one.vault_id}?from=26")


# Keys and withdrawals


def test_an_author_makes_replaces_and_revokes_his_teams_key(
    buyer: Client, room: Strongroom
) -> None:
    team = room.cast.buyers.pk
    day = (timezone.now() + timedelta(days=400)).date()
    _post(buyer, "/vaults/keys", **{"do": "make", "for": team, "expires": str(day), "note": "new"})
    made = SigningKey.objects.order_by("-id").first()
    assert made is not None
    assert made.expires_at is not None
    assert (made.team_id, made.note, made.expires_at.date()) == (team, "new", day)
    _post(buyer, "/vaults/keys", do="rotate", id=made.pk)
    made.refresh_from_db()
    assert made.retired_at is not None
    assert _post(buyer, "/vaults/keys", do="revoke", id=made.pk, reason="").status_code == 422
    _post(buyer, "/vaults/keys", do="revoke", id=made.pk, reason="a laptop was lost")
    page = _page(buyer, "/vaults/keys")
    assert "a laptop was lost" in page
    assert "PUBLIC KEY" in page


def test_the_installations_key_and_trust_are_not_for_everybody(
    buyer: Client, admin: Client, room: Strongroom
) -> None:
    house = SigningKey.objects.filter(team__isnull=True).first()
    assert house is not None
    assert _post(buyer, "/vaults/keys", do="rotate", id=house.pk).status_code == 422
    sent = {"do": "trust", "key": dsse.key_id(key("another")), "name": "X", "reason": "y"}
    assert "for an admin to say" in _post(buyer, "/vaults/keys", **sent).content.decode()
    assert not TrustedKey.objects.filter(name="X").exists()
    pem = dsse.public_pem(dsse.key_id(key("another")))
    _post(admin, "/vaults/keys", **(sent | {"key": pem}))
    assert TrustedKey.objects.get(name="X").key_id == dsse.key_id(key("another"))
    _post(admin, "/vaults/keys", do="distrust", id=room.trusted.pk, reason="it was stolen")
    assert "it was stolen" in _page(admin, "/vaults/keys")


def test_what_is_no_key_and_what_is_no_day_is_said(admin: Client) -> None:
    bad = _post(admin, "/vaults/keys", do="trust", key="abc", name="X", reason="y")
    assert "neither a key id" in bad.content.decode()
    assert ">abc</textarea>" in bad.content.decode()
    late = _post(admin, "/vaults/keys", **{"do": "make", "for": "house", "expires": "tomorrow"})
    assert "must be a day" in late.content.decode()


def test_a_page_leads_back_here_alone(admin: Client) -> None:
    sent = {"do": "trust", "key": dsse.key_id(key("other")), "name": "X", "reason": "y"}
    answer = _post(admin, "/vaults/keys", **sent, next="https://example.com/")
    assert answer.headers["Location"] == "/vaults/keys"


def test_the_list_of_withdrawals_is_handed_out_signed(buyer: Client, room: Strongroom) -> None:
    held = room.holdings
    held.market.entomb(caller=room.buyer, prompt=held.forked, reason="it misleads", now=held.now)
    answer = buyer.get("/vaults/withdrawals")
    listed = revocations.opened(answer.content).revocations
    assert [one.name for one in listed.revoked] == ["buyers/incident-line@1"]
    assert "names 1 prompt that it told" in _words(_page(buyer, "/vaults/keys"))


def test_a_list_of_others_acts_at_once(admin: Client, buyer: Client, room: Strongroom) -> None:
    came = Prompt.objects.get(text=FROM_ABROAD)
    raw = revocations.sealed(
        revocations.listed(
            issuer=revocations.Issuer(
                installation="0123456789abcdef0123456789abcdef", name="Mintmark of Acme"
            ),
            revoked=[
                revocations.Revoked(
                    digest=came.digest, name="abroad/by-price@1", reason="it is unfair",
                    at="2026-11-01T12:00:00.000000Z",
                )
            ],
            revoked_keys=[],
        ),
        keys=[HOUSE],
    ).to_bytes()  # fmt: skip
    assert _post(buyer, "/vaults/keys", do="take", file=_file(raw)).status_code == 422
    bad = _post(admin, "/vaults/keys", do="take", file=_file(changed(raw)))
    assert "bad_signature" in bad.content.decode()
    _post(admin, "/vaults/keys", do="take", file=_file(raw))
    assert "it is unfair" in Prompt.objects.get(pk=came.pk).tombstone.reason
    assert "01234567…" in _page(admin, "/vaults/keys")


# The words


def test_every_code_of_a_file_has_words_of_its_own() -> None:
    told = {advice.code for advice in refused.ADVICE}
    cases = {case.code for case in make.bad().values()} | {
        code for code, _ in make.large().values()
    }
    assert cases <= told
    assert refused.advice("anything_else").means


def test_a_page_stays_small(buyer: Client, admin: Client, room: Strongroom) -> None:
    for path in (
        "/vaults", "/vaults/new", "/vaults/keys", "/vaults/take-in", "/vaults/verify",
        f"/vaults/{room.exported.pk}", f"/vaults/imports/{room.strange.pk}",
    ):  # fmt: skip
        assert len(admin.get(path).content) < 40_000, path


def test_one_who_reads_without_a_role_sees_the_keys_and_no_button(room: Strongroom) -> None:
    visitor = room.holdings.scene.client(person("visitor", Role.AUDITOR, team=room.cast.buyers))
    page = _page(visitor, "/vaults/keys")
    assert room.own_key.key_id[:8] in page
    assert "Make a key" not in page
    assert json.dumps(settings.SECRET_KEY) not in page


def test_a_mark_that_begins_before_what_is_shown_does_not_shift_the_others() -> None:
    text = "one two three"
    marks = [
        Mark(kind="x", name="first", line=1, column=1, offset=0, length=7),
        Mark(kind="x", name="second", line=1, column=9, offset=8, length=5),
    ]
    shown = inert.parts(text, marks=marks, start=4)
    assert [(part.text, part.mark) for part in shown] == [("two ", ""), ("three", "second")]
