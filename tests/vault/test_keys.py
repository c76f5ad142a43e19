"""Keys: who makes, uses and revokes them; what is at rest; whose signatures count."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import transaction
from django.db.utils import DatabaseError

from mintmark.common import errors
from mintmark.registry.entitlements import InvalidReason
from mintmark.signing import dsse
from mintmark.vault import keys
from mintmark.vault.models import SigningKey, TrustedKey
from tests.factories.market_fixture import Stall

pytestmark = pytest.mark.django_db

THEIRS = Ed25519PrivateKey.from_private_bytes(b"t" * 32)


def signing(stall: Stall, **changes: Any) -> list[str]:
    asked: dict[str, Any] = {"team": stall.cast.sellers, "now": stall.now} | changes
    return [dsse.get_key_id(key) for key in keys.get_signing_keys(**asked)]


def made(stall: Stall, **changes: Any) -> SigningKey:
    asked: dict[str, Any] = {
        "caller": stall.as_(stall.cast.seller), "team": stall.cast.sellers, "now": stall.now,
    }  # fmt: skip
    return keys.generate_key(**(asked | changes))


def pem(key: Any, path: Path) -> str:
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return str(path)


def test_the_installation_gets_a_key_when_it_first_signs(stall: Stall) -> None:
    first = signing(stall)
    assert len(first) == 1 and signing(stall) == first
    assert SigningKey.objects.get().team is None


def test_a_private_key_is_sealed_at_rest(stall: Stall) -> None:
    made(stall)
    (private, _) = keys.get_signing_keys(team=stall.cast.sellers, now=stall.now)
    sealed = bytes(SigningKey.objects.get(team=stall.cast.sellers).sealed or b"")
    assert private.private_bytes_raw() not in sealed
    assert len(sealed) == 12 + 32 + 16


def test_a_sealed_key_is_opened_by_the_vault_key_alone(stall: Stall, settings: Any) -> None:
    settings.VAULT_KEY = "one"
    before = signing(stall)
    settings.VAULT_KEY = "another"
    with pytest.raises(keys.UnreadableKey, match="MINTMARK_VAULT_KEY"):
        signing(stall)
    settings.VAULT_KEY = "one"
    assert signing(stall) == before


def test_a_sealed_key_does_not_pass_for_another(stall: Stall) -> None:
    mine = made(stall)
    other = made(stall, team=None, caller=stall.as_(stall.admin))
    mine.sealed = other.sealed
    with pytest.raises(keys.UnreadableKey):
        keys._load_private_key(mine)


def test_an_author_makes_keys_of_his_team_and_an_admin_those_of_the_installation(
    stall: Stall,
) -> None:
    assert made(stall).team == stall.cast.sellers
    for refused in (
        {"caller": stall.as_(stall.cast.buyer)},
        {"caller": stall.as_(stall.cast.smith)},
        {"team": None},
    ):
        with pytest.raises(errors.Forbidden):
            made(stall, **refused)
    assert made(stall, team=None, caller=stall.as_(stall.admin)).team is None


def test_the_newest_key_signs_and_a_rotated_one_no_more(stall: Stall) -> None:
    first = made(stall)
    assert signing(stall)[0] == first.key_id
    second = keys.rotate_key(caller=stall.as_(stall.cast.seller), key=first, now=stall.now)
    assert signing(stall)[0] == second.key_id
    first.refresh_from_db()
    assert first.retired_at == stall.now
    root = next(root for root in keys.list_trust_roots() if root.key_id == first.key_id)
    assert root.revoked_at is None


def test_an_expired_key_signs_no_more(stall: Stall) -> None:
    key = made(stall, expires_at=stall.now + timedelta(days=1))
    assert key.key_id in signing(stall)
    assert key.key_id not in signing(stall, now=stall.now + timedelta(days=1))


def test_a_revoked_key_signs_no_more_and_its_first_reason_stays(stall: Stall) -> None:
    key = made(stall)
    seller = stall.as_(stall.cast.seller)
    with pytest.raises(InvalidReason):
        keys.revoke_key(caller=seller, key=key, reason="", now=stall.now)
    keys.revoke_key(caller=seller, key=key, reason="lost", now=stall.now)
    again = keys.revoke_key(
        caller=seller, key=key, reason="other", now=stall.now + timedelta(days=1)
    )
    assert (again.revocation_reason, again.revoked_at) == ("lost", stall.now)
    assert key.key_id not in signing(stall)


def test_a_key_is_never_changed_into_another(stall: Stall) -> None:
    made(stall)
    for change in ({"key_id": "0" * 64}, {"sealed": b"x"}, {"expires_at": None, "note": "x"}):
        with pytest.raises(DatabaseError), transaction.atomic():
            SigningKey.objects.update(**change)
    with pytest.raises(DatabaseError), transaction.atomic():
        SigningKey.objects.all().delete()


def test_a_key_may_stay_in_a_file_that_an_admin_names(stall: Stall, tmp_path: Path) -> None:
    path = pem(THEIRS, tmp_path / "key.pem")
    asked: dict[str, Any] = {"team": stall.cast.sellers, "path": path, "now": stall.now}
    with pytest.raises(errors.Forbidden):
        keys.register_key_file(caller=stall.as_(stall.cast.seller), **asked)
    key = keys.register_key_file(caller=stall.as_(stall.admin), **asked)
    assert (key.sealed, key.file) == (None, path)
    assert signing(stall)[0] == dsse.get_key_id(THEIRS)
    with pytest.raises(keys.SigningKeyKnown):
        keys.register_key_file(caller=stall.as_(stall.admin), **asked)
    pem(Ed25519PrivateKey.generate(), tmp_path / "key.pem")
    with pytest.raises(keys.UnreadableKey, match="another key"):
        signing(stall)
    (tmp_path / "key.pem").unlink()
    with pytest.raises(keys.UnreadableKey, match="can't be read"):
        signing(stall)


def test_a_file_without_such_a_key_is_refused(stall: Stall, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no key")
    for path in (str(tmp_path / "text"), pem(generate_private_key(SECP256R1()), tmp_path / "ec")):
        with pytest.raises(keys.UnreadableKey):
            keys.register_key_file(
                caller=stall.as_(stall.admin), team=None, path=path, now=stall.now
            )


@pytest.mark.parametrize("terms", [{"note": "a\nb"}, {"note": "n" * 201}, {"expires_at": 0}])
def test_terms_that_can_not_be_kept_are_refused(stall: Stall, terms: dict[str, Any]) -> None:
    if "expires_at" in terms:
        terms = {"expires_at": stall.now}
    with pytest.raises(keys.InvalidKeyTerms):
        made(stall, **terms)


def trusted(stall: Stall, **changes: Any) -> TrustedKey:
    asked: dict[str, Any] = {
        "caller": stall.as_(stall.admin), "key_id": dsse.get_key_id(THEIRS), "name": "Elsewhere",
        "reason": "by telephone", "now": stall.now,
    }  # fmt: skip
    return keys.trust_key(**(asked | changes))


def test_to_trust_is_an_act_of_an_admin_with_a_reason(stall: Stall) -> None:
    with pytest.raises(errors.Forbidden):
        trusted(stall, caller=stall.as_(stall.cast.seller))
    with pytest.raises(InvalidReason):
        trusted(stall, reason=" ")
    with pytest.raises(keys.InvalidKeyTerms):
        trusted(stall, name="")
    with pytest.raises(dsse.InvalidPublicKey):
        trusted(stall, key_id="0" * 63)
    key = trusted(stall)
    assert [root.name for root in keys.list_trust_roots() if root.key_id == key.key_id] == [
        "Elsewhere"
    ]


def test_a_key_is_trusted_once_and_what_was_revoked_stays_so(stall: Stall) -> None:
    key = trusted(stall)
    with pytest.raises(keys.SigningKeyKnown, match="is trusted as 'Elsewhere'"):
        trusted(stall, name="Others")
    keys.distrust_key(caller=stall.as_(stall.admin), key=key, reason="stolen", now=stall.now)
    with pytest.raises(keys.SigningKeyKnown, match="was revoked"):
        trusted(stall)
    with pytest.raises(DatabaseError), transaction.atomic():
        TrustedKey.objects.update(name="x")


def test_a_key_of_ones_own_needs_no_trust(stall: Stall) -> None:
    own = made(stall)
    with pytest.raises(keys.SigningKeyKnown, match="trusts itself"):
        trusted(stall, key_id=own.key_id)


def test_keys_are_shown_to_their_team_and_those_of_the_installation_to_all(stall: Stall) -> None:
    own = made(stall)
    everybodys = made(stall, team=None, caller=stall.as_(stall.admin))
    shown = {
        who: set(keys.visible_to(caller=stall.as_(who)))
        for who in (stall.cast.seller, stall.cast.buyer, stall.cast.auditor)
    }
    assert shown[stall.cast.seller] == shown[stall.cast.auditor] == {own, everybodys}
    assert shown[stall.cast.buyer] == {everybodys}


def test_pseudonyms_hold_within_one_set_of_texts_and_one_vault_key(
    stall: Stall, settings: Any
) -> None:
    named = keys.build_pseudonymiser(digests=["b", "a"])
    assert named(1) == keys.build_pseudonymiser(digests=["a", "b"])(1) != named(2)
    assert named(1) != keys.build_pseudonymiser(digests=["a"])(1)
    settings.VAULT_KEY = "another"
    assert named(1) != keys.build_pseudonymiser(digests=["a", "b"])(1)
