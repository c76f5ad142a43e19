"""Vaults: kept as they were signed, on either database, seen by their team, vouched for by others."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import connection, transaction
from django.db.utils import DatabaseError

from mintmark.common import errors
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.registry import entitlements, prompts
from mintmark.registry.prompts import PromptDraft
from mintmark.signing import bundles, canonical_json, dsse, key_policy
from mintmark.vault import bundle_store, keys
from mintmark.vault.models import PromptMarketplaceVault
from tests.factories.market_fixture import Stall
from tests.tampering import tried

from .test_exports import exported

pytestmark = pytest.mark.django_db

ODD = "Zero\u200bwidth, \U0001f512 astral, \u202eright to left, tab\tand \\ \" ' é e\u0301 \u2028 \ue000 \x7f"


def test_what_is_kept_is_what_was_signed_whatever_the_text(stall: Stall) -> None:
    author = stall.principal(stall.cast.seller)
    draft = PromptDraft(
        namespace="acme", name="odd", text=ODD, title="\U0001f600 title", variables=[], tags=[],
        allow_hidden_unicode=True,
    )  # fmt: skip
    odd = prompts.register(draft=draft, author=author, team=stall.cast.sellers)
    vault = PromptMarketplaceVault.objects.get(pk=exported(stall, [odd]).pk)
    opened = bundles.verify(bundle_store.get_raw_file(vault))
    assert opened.statement == vault.exported_json
    assert canonical_json.dumps(vault.exported_json) == opened.envelope.payload
    assert vault.exported_json["predicate"]["prompts"][0]["text"] == ODD
    assert bundle_store.verify_vault(vault) == opened.key_ids
    assert vault.created_at == stall.now


def test_the_largest_integers_come_back_from_the_database(stall: Stall) -> None:
    key = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    bundle = bundles.verify(bundle_store.get_raw_file(exported(stall, [stall.prompt]))).bundle
    largest = bundle.model_copy(update={"policy": canonical_json.MAX_SAFE_INTEGER})
    opened = bundles.verify(bundles.sign(largest, keys=[key]).to_bytes())
    vault = bundle_store.store_imported(
        verified=opened, team=stall.cast.buyers, made_by=None, prompts=[], now=stall.now
    )
    vault.refresh_from_db()
    assert vault.exported_json["predicate"]["policy"] == 2**53 - 1
    assert bundle_store.verify_vault(vault) == {dsse.get_key_id(key)}
    assert bundle_store.get_raw_file(vault) == opened.envelope.to_bytes()


def test_a_vault_never_changes(stall: Stall) -> None:
    vault = exported(stall, [stall.prompt])
    for change in ({"exported_json": {}}, {"symbolic_signature": ""}, {"name": "other"}):
        with pytest.raises(DatabaseError), transaction.atomic():
            PromptMarketplaceVault.objects.filter(pk=vault.pk).update(**change)


@pytest.mark.parametrize("column", ["exported_json", "symbolic_signature", "digest"])
def test_whoever_gets_past_the_triggers_is_found_out(stall: Stall, column: str) -> None:
    vault = exported(stall, [stall.prompt])
    changed: dict[str, Any] = {
        "exported_json": json.dumps(
            vault.exported_json | {"predicate": vault.exported_json["predicate"] | {"policy": 7}}
        ),
        "symbolic_signature": vault.symbolic_signature.replace("sig", "gis"),
        "digest": "0" * 64,
    }
    with tried(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE vault_promptmarketplacevault SET {column} = %s", [changed[column]])
        with pytest.raises(bundle_store.VaultAltered, match=f"vault {vault.pk}"):
            bundle_store.verify_vault(PromptMarketplaceVault.objects.get(pk=vault.pk))


def test_a_vault_is_seen_by_its_team_and_by_an_admin(stall: Stall) -> None:
    vault = exported(stall, [stall.prompt])
    for who in (stall.cast.seller, stall.cast.smith, stall.admin):
        assert bundle_store.get_vault(caller=stall.as_(who), pk=vault.pk) == vault
    for who in (stall.cast.buyer, stall.cast.stranger, stall.cast.auditor, stall.cast.scout):
        assert not bundle_store.visible_to(caller=stall.as_(who))
        with pytest.raises(errors.NotFound):
            bundle_store.get_downloadable_file(caller=stall.as_(who), vault=vault)


def test_a_file_is_handed_out_while_its_texts_are_served(stall: Stall) -> None:
    stall.bought(stall.listed(licence="MIT"))
    vault = exported(stall, [stall.prompt], by=stall.cast.buyer)
    buyer = stall.as_(stall.cast.buyer)
    assert bundle_store.get_downloadable_file(
        caller=buyer, vault=vault
    ) == bundle_store.get_raw_file(vault)
    granted = entitlements.list_active_grants(
        prompt=stall.prompt, team_ids=frozenset([stall.cast.buyers.pk])
    )
    stall.market.revoke_entitlement(
        caller=stall.as_(stall.admin), entitlement=granted.get(), reason="refunded", now=stall.now
    )
    with pytest.raises(errors.Forbidden, match="may no longer use acme/mint@1"):
        bundle_store.get_downloadable_file(caller=buyer, vault=vault)
    assert bundle_store.get_downloadable_file(caller=stall.as_(stall.admin), vault=vault)


def test_the_team_signs_beside_the_installation_if_it_has_a_key(stall: Stall) -> None:
    (own,) = bundle_store.verify_vault(exported(stall, [stall.prompt]))
    key = keys.generate_key(
        caller=stall.as_(stall.cast.seller), team=stall.cast.sellers, now=stall.now
    )
    assert bundle_store.verify_vault(exported(stall, [stall.prompt])) == {own, key.key_id}


def test_an_importer_vouches_for_what_he_trusts(stall: Stall) -> None:
    theirs = Ed25519PrivateKey.from_private_bytes(b"t" * 32)
    bundle = bundles.verify(bundle_store.get_raw_file(exported(stall, [stall.prompt]))).bundle
    raw = bundles.sign(bundle, keys=[theirs]).to_bytes()
    buyer, admin = stall.as_(stall.cast.buyer), stall.as_(stall.admin)
    asked: dict[str, Any] = {"vault_or_raw": raw, "team": stall.cast.buyers, "now": stall.now}
    with pytest.raises(bundle_store.UnknownSigner, match=dsse.get_key_id(theirs)[:16]):
        bundle_store.countersign(caller=buyer, **asked)
    trusted = keys.trust_key(
        caller=admin, key_id=dsse.get_key_id(theirs), name="Elsewhere", reason="by telephone",
        now=stall.now,
    )  # fmt: skip
    own = keys.generate_key(caller=buyer, team=stall.cast.buyers, now=stall.now)
    vouched = bundles.verify(bundle_store.countersign(caller=buyer, **asked))
    assert {own.key_id, dsse.get_key_id(theirs)} < vouched.key_ids
    assert vouched.bundle == bundle
    again = bundle_store.countersign(
        caller=buyer, **(asked | {"vault_or_raw": vouched.envelope.to_bytes()})
    )
    assert again == vouched.envelope.to_bytes()
    for nobody in (stall.cast.stranger, stall.cast.seller, stall.cast.scout):
        with pytest.raises(errors.Forbidden):
            bundle_store.countersign(caller=stall.as_(nobody), **asked)
    keys.distrust_key(caller=admin, key=trusted, reason="stolen", now=stall.now)
    with pytest.raises(key_policy.SigningKeyRevoked):
        bundle_store.countersign(caller=buyer, **asked)


def test_nobody_vouches_for_a_changed_file(stall: Stall) -> None:
    raw = bundle_store.get_raw_file(exported(stall, [stall.prompt]))
    with pytest.raises(dsse.InvalidEnvelope):
        bundle_store.countersign(
            caller=stall.as_(stall.admin),
            vault_or_raw=raw.replace(b'"sig":"', b'"sig":"AAAA', 1)[:-3] + b"}]}",
            team=None,
            now=stall.now,
        )


def test_the_marketplace_exports(stall: Stall) -> None:
    made = SymbolicPromptTokenMarketplace().export_bundle(
        caller=stall.as_(stall.cast.seller), team=stall.cast.sellers, prompts=[stall.prompt],
        now=stall.now,
    )  # fmt: skip
    assert (made.name, made.purpose) == ("mint", "export")
