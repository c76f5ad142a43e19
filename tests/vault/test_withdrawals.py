"""Withdrawals: one's own signed list, and others' lists, which act at once and on their own alone."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mintmark.common import errors
from mintmark.deployments.models import Injection
from mintmark.market.models import PromptTokenListing
from mintmark.registry.models import Prompt, Tombstone
from mintmark.signing import (
    bundles,
    canonical_json,
    dsse,
    key_policy,
    revocation_list,
    signed_files,
)
from mintmark.signing.revocation_list import RevocationIssuer, RevokedKey, RevokedPrompt
from mintmark.vault import bundle_store, installation, keys, revocation_lists
from mintmark.vault.models import PromptProvenance, RevocationList, TrustedKey
from tests.factories.market_fixture import Stall

from .test_exports import exported

pytestmark = pytest.mark.django_db

THEIRS = Ed25519PrivateKey.from_private_bytes(b"t" * 32)
OTHERS = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
ISSUER = RevocationIssuer(installation="e" * 32, name="Elsewhere")
AT = "2026-11-02T00:00:00.000000Z"


def read(raw: bytes) -> revocation_list.RevocationListPayload:
    return revocation_list.verify(raw).revocations


def entombed(stall: Stall, prompt: Prompt, *, days: int = 0) -> None:
    stall.market.withdraw_permanently(
        caller=stall.as_(stall.admin), prompt=prompt, reason="leaks names",
        now=stall.now + timedelta(days=days),
    )  # fmt: skip


def test_an_empty_list_is_signed_and_says_nothing(stall: Stall) -> None:
    raw = revocation_lists.build_revocation_list(now=stall.now)
    said = read(raw)
    assert (said.sequence, said.revoked, said.revoked_keys) == (0, (), ())
    assert said.issuer.installation == installation.get_installation_id()
    assert said.as_of == revocation_list.EPOCH
    assert revocation_lists.build_revocation_list(now=stall.now + timedelta(days=1)) == raw


def test_what_was_told_and_then_withdrawn_is_listed_and_nothing_else(stall: Stall) -> None:
    exported(stall, [stall.prompt])
    entombed(stall, stall.cast.prompt)
    assert read(revocation_lists.build_revocation_list(now=stall.now)).sequence == 0
    entombed(stall, stall.prompt, days=1)
    raw = revocation_lists.build_revocation_list(now=stall.now)
    (one,) = read(raw).revoked
    assert one == RevokedPrompt(
        digest=stall.prompt.digest, name="acme/mint@1", reason="leaks names", at="2026-11-02T12:00:00.000000Z"
    )  # fmt: skip
    assert (read(raw).sequence, read(raw).as_of) == (1, one.at)
    assert revocation_lists.build_revocation_list(now=stall.now + timedelta(days=9)) == raw


def test_revoked_keys_of_ones_own_are_listed(stall: Stall) -> None:
    seller = stall.as_(stall.cast.seller)
    key = keys.generate_key(caller=seller, team=stall.cast.sellers, now=stall.now)
    keys.revoke_key(caller=seller, key=key, reason="lost", now=stall.now)
    said = read(revocation_lists.build_revocation_list(now=stall.now))
    assert [(one.key_id, one.reason) for one in said.revoked_keys] == [(key.key_id, "lost")]
    assert said.sequence == 1


def arrived(
    stall: Stall,
    *,
    issuer: RevocationIssuer = ISSUER,
    key: Ed25519PrivateKey = THEIRS,
    line: str = "from/afar",
) -> Prompt:
    """A prompt that came here with a bundle of another installation, whose key is trusted."""
    prompt = stall.cast.written(line, f"From {line}: weigh {{coin}}.", is_open=False, licence="MIT")
    bundle = bundles.verify(bundle_store.get_raw_file(exported(stall, [prompt]))).bundle
    theirs = bundle.model_copy(
        update={"issuer": bundles.BundleIssuer(installation=issuer.installation, name=issuer.name, team="")}
    )  # fmt: skip
    vault = bundle_store.store_imported(
        verified=bundles.verify(bundles.sign(theirs, keys=[key]).to_bytes()),
        team=stall.cast.sellers, made_by=None, prompts=[prompt], now=stall.now,
    )  # fmt: skip
    PromptProvenance.objects.create(
        prompt=prompt, vault=vault, issuer=issuer.installation, issuer_name=issuer.name,
        name=prompt.reference, author="ines", reputation={}, registered=True,
    )  # fmt: skip
    return prompt


def trusted(stall: Stall, key: Ed25519PrivateKey = THEIRS, name: str = "Elsewhere") -> TrustedKey:
    return keys.trust_key(
        caller=stall.as_(stall.admin), key_id=dsse.get_key_id(key), name=name, reason="by telephone",
        now=stall.now,
    )  # fmt: skip


def listed(
    *prompts: Prompt,
    gone: Sequence[Ed25519PrivateKey] = (),
    key: Ed25519PrivateKey = THEIRS,
    issuer: RevocationIssuer = ISSUER,
) -> bytes:
    made = revocation_list.build_list(
        issuer=issuer,
        revoked=[
            RevokedPrompt(digest=prompt.digest, name="there/it@1", reason="wrong", at=AT)
            for prompt in prompts
        ],
        revoked_keys=[
            RevokedKey(key_id=dsse.get_key_id(one), reason="stolen", at=AT) for one in gone
        ],
    )
    return revocation_list.sign(made, keys=[key]).to_bytes()


def taken(stall: Stall, raw: bytes, **changes: Any) -> RevocationList:
    asked: dict[str, Any] = {"caller": stall.as_(stall.admin), "raw": raw, "now": stall.now}
    return stall.market.apply_revocation_list(**(asked | changes))


def test_what_they_withdraw_is_withdrawn_here_at_once(stall: Stall) -> None:
    trusted(stall)
    prompt, stays = arrived(stall), arrived(stall, line="from/near")
    listing = stall.listed(prompt)
    stall.bought(listing)
    stall.market.inject(
        caller=stall.as_(stall.cast.buyer), prompt=prompt, assistant=stall.cast.scout, now=stall.now
    )
    row = taken(stall, listed(prompt))
    assert (row.applied, row.sequence, row.key_id) == (1, 1, dsse.get_key_id(THEIRS))
    tombstone = Tombstone.objects.get()
    assert (tombstone.prompt, tombstone.reason) == (prompt, "withdrawn by Elsewhere: wrong")
    assert not PromptTokenListing.objects.filter(prompt=prompt, withdrawn_at=None).exists()
    assert not Injection.objects.filter(prompt=prompt, ended_at=None).exists()
    assert not Tombstone.objects.filter(prompt=stays).exists()
    assert revocation_lists.get_withdrawal_reasons(issuer=ISSUER.installation) == {
        prompt.digest: "wrong"
    }
    assert revocation_lists.get_withdrawal_reasons(issuer="0" * 32) == {}


def test_a_text_that_was_here_before_is_not_theirs_to_withdraw(stall: Stall) -> None:
    trusted(stall)
    prompt = arrived(stall)
    merged = PromptProvenance.objects.get()
    PromptProvenance.objects.create(
        prompt=stall.prompt, vault=merged.vault, issuer=merged.issuer, issuer_name="Elsewhere",
        name="there/mint@1", author="ines", reputation={}, registered=False,
    )  # fmt: skip
    assert taken(stall, listed(stall.prompt, prompt)).applied == 1
    assert Tombstone.objects.get().prompt == prompt


def test_the_same_list_again_acts_on_what_has_come_since(stall: Stall) -> None:
    trusted(stall)
    first, later = arrived(stall), stall.cast.written("from/later", "Later {coin}.")
    raw = listed(first, later)
    row = taken(stall, raw)
    vault = PromptProvenance.objects.get().vault
    PromptProvenance.objects.create(
        prompt=later, vault=vault, issuer=ISSUER.installation, issuer_name="Elsewhere",
        name="there/later@1", author="ines", reputation={}, registered=True,
    )  # fmt: skip
    assert taken(stall, raw) == row
    assert Tombstone.objects.filter(prompt=later).exists()
    assert RevocationList.objects.count() == 1


def test_an_older_list_and_another_of_the_same_number_are_refused(stall: Stall) -> None:
    trusted(stall)
    first, second = arrived(stall), arrived(stall, line="from/near")
    taken(stall, listed(first, second))
    for raw in (listed(first), listed(first, stall.prompt)):
        with pytest.raises(revocation_lists.StaleRevocationList):
            taken(stall, raw)
    taken(stall, listed(first, second, stall.prompt))
    assert RevocationList.objects.count() == 2
    assert not Tombstone.objects.filter(prompt=stall.prompt).exists()


def test_their_revoked_keys_count_no_more(stall: Stall) -> None:
    old = trusted(stall)
    arrived(stall)
    trusted(stall, OTHERS, "Elsewhere, new")
    taken(stall, listed(gone=[THEIRS], key=OTHERS))
    old.refresh_from_db()
    assert old.revoked_at == stall.now
    assert old.revocation_reason == "revoked by Elsewhere: stolen"


def test_a_list_says_nothing_of_keys_of_a_third_installation(stall: Stall) -> None:
    trusted(stall)
    arrived(stall)
    third = trusted(stall, OTHERS, "Third")
    arrived(
        stall, issuer=RevocationIssuer(installation="3" * 32, name="Third"), key=OTHERS, line="3/x"
    )
    taken(stall, listed(gone=[OTHERS]))
    third.refresh_from_db()
    assert third.revoked_at is None


def test_whose_key_speaks_for_another_withdraws_nothing_of_theirs(stall: Stall) -> None:
    trusted(stall)
    prompt = arrived(stall)
    trusted(stall, OTHERS, "Third")
    arrived(
        stall, issuer=RevocationIssuer(installation="3" * 32, name="Third"), key=OTHERS, line="3/x"
    )
    with pytest.raises(revocation_lists.WrongIssuerKey, match="Elsewhere"):
        taken(stall, listed(prompt, key=OTHERS))
    assert not Tombstone.objects.exists()


def test_nobody_who_is_not_trusted_withdraws_anything(stall: Stall) -> None:
    prompt = arrived(stall)
    with pytest.raises(bundle_store.UnknownSigner):
        taken(stall, listed(prompt))
    key = trusted(stall)
    keys.distrust_key(caller=stall.as_(stall.admin), key=key, reason="stolen", now=stall.now)
    with pytest.raises(key_policy.SigningKeyRevoked):
        taken(stall, listed(prompt))
    assert not RevocationList.objects.exists()


def test_one_trusted_signature_is_enough_to_withdraw_however_many_a_bundle_takes(
    stall: Stall, settings: Any
) -> None:
    trusted(stall)
    prompt = arrived(stall)
    settings.VAULT_THRESHOLD = 2
    with pytest.raises(key_policy.BelowThreshold):
        bundle_store.require_trusted(key_ids=frozenset({dsse.get_key_id(THEIRS)}), now=stall.now)
    taken(stall, listed(prompt))
    assert Tombstone.objects.filter(prompt=prompt).exists()


def test_taking_a_list_in_takes_an_admin(stall: Stall) -> None:
    trusted(stall)
    raw = listed(arrived(stall))
    for nobody in (stall.cast.seller, stall.cast.auditor, stall.cast.smith):
        with pytest.raises(errors.Forbidden):
            taken(stall, raw, caller=stall.as_(nobody))


def test_a_bundle_is_no_list_and_a_list_no_bundle(stall: Stall) -> None:
    with pytest.raises(errors.DomainError) as refused:
        taken(stall, bundle_store.get_raw_file(exported(stall, [stall.prompt])))
    assert refused.value.code == "payload_type"
    with pytest.raises(signed_files.InvalidSignedFile, match="a bundle holds"):
        bundles.verify(revocation_lists.build_revocation_list(now=stall.now))


def test_a_reason_of_theirs_is_kept_as_one_of_here_could_be(stall: Stall) -> None:
    trusted(stall)
    prompt = arrived(stall)
    made = revocation_list.build_list(
        issuer=ISSUER,
        revoked=[RevokedPrompt(digest=prompt.digest, name="there/it@1", reason="a\nb" + "x" * 396, at=AT)],
        revoked_keys=[],
    )  # fmt: skip
    taken(stall, revocation_list.sign(made, keys=[THEIRS]).to_bytes())
    reason = Tombstone.objects.get().reason
    assert reason.startswith("withdrawn by Elsewhere: a bx") and len(reason) == 400


def _said(**changes: Any) -> bytes:
    """An empty list of theirs with these changes, signed."""
    value = revocation_list.build_list(issuer=ISSUER, revoked=[], revoked_keys=[]).model_dump(
        mode="json"
    )
    envelope = dsse.sign(
        payload_type=revocation_list.PAYLOAD_TYPE,
        payload=canonical_json.dumps(value | changes),
        keys=[THEIRS],
    )
    return envelope.to_bytes()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"version": "2.0"}, "unknown_version"),
        ({"version": 1}, "not_a_revocation_list"),
        ({"issuer": {"installation": "short", "name": "x"}}, "not_a_revocation_list"),
        ({"as_of": "yesterday"}, "not_a_revocation_list"),
        ({"sequence": -1}, "not_a_revocation_list"),
        ({"revoked": [{"digest": "0" * 64}]}, "not_a_revocation_list"),
        (
            {"revoked_keys": [{"key_id": "0" * 64, "reason": "lost", "at": AT}]},
            "not_a_revocation_list",  # one thing, and a sequence of none
        ),
    ],
)
def test_a_list_of_another_shape_is_refused(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(errors.DomainError) as refused:
        revocation_list.verify(_said(**changes))
    assert refused.value.code == code


def test_a_field_of_a_later_minor_version_is_let_pass() -> None:
    opened = revocation_list.verify(_said(version="1.7", more=[1]))
    assert opened.revocations.version == "1.7"
    assert opened.key_ids == {dsse.get_key_id(THEIRS)}


def test_any_byte_of_a_list_that_is_changed_refuses_it() -> None:
    raw = _said()
    for place in range(len(raw)):
        changed = bytearray(raw)
        changed[place] ^= 1
        with pytest.raises(errors.DomainError):
            revocation_list.verify(bytes(changed))
    with pytest.raises(errors.DomainError):
        revocation_list.verify(raw + b"\n")
