"""The audit of the vault names what was tampered with."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection

from mintmark.registry.models import Prompt
from mintmark.vault import audit
from mintmark.vault.models import BundleImport, PromptMarketplaceVault, RevocationList
from tests.factories.market_fixture import Stall
from tests.tampering import past_the_triggers

from .test_exports import exported
from .test_receipts import Sold
from .test_withdrawals import arrived, listed, taken, trusted

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.both("triggers and findings have SQL of their own there"),
]


@pytest.fixture
def kept(stall: Stall) -> Stall:
    """An export, a receipt, an import taken in, one that waits, one refused, and a list of withdrawals."""
    sold = Sold(stall)
    sold.receipt()
    made = exported(stall, [sold.second, stall.prompt])
    trusted(stall)
    gone = arrived(stall)
    vault = PromptMarketplaceVault.objects.get(purpose="import")
    taken(stall, listed(gone), now=stall.now + timedelta(days=1))
    common = {
        "team": vault.team, "brought_by": stall.principal(stall.cast.seller), "brought_at": stall.now,
    }  # fmt: skip
    BundleImport.objects.create(
        **common, digest=vault.digest, size=1, state="accepted", vault=vault
    )
    raw = made.symbolic_signature
    BundleImport.objects.create(
        **common, digest=made.digest, size=len(raw), state="waiting", envelope=raw
    )
    BundleImport.objects.create(**common, digest="0" * 64, size=1, state="refused", code="too_deep")
    return stall


def _broken() -> set[str]:
    return {finding.code for finding in audit.audit() if not finding.holds}


def _run(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        assert cursor.rowcount, sql


def test_an_honest_vault_holds_and_everything_was_looked_at(kept: Stall) -> None:
    found = audit.audit()
    assert [finding.broken for finding in found if not finding.holds] == []
    assert all(finding.checked for finding in found)


def test_an_empty_vault_holds(stall: Stall) -> None:
    assert _broken() == set()


def _rename(kept: Stall) -> None:
    _run("UPDATE vault_promptmarketplacevault SET name = 'x' WHERE purpose = 'export'")


def _retell(kept: Stall) -> None:
    vault = PromptMarketplaceVault.objects.filter(purpose="receipt").get()
    vault.exported_json["predicate"]["receipt"]["price_micro"] = 1
    PromptMarketplaceVault.objects.filter(pk=vault.pk).update(exported_json=vault.exported_json)


def _empty(kept: Stall) -> None:
    PromptMarketplaceVault.objects.filter(purpose="import").update(exported_json={})


def _move(kept: Stall) -> None:
    receipt = PromptMarketplaceVault.objects.get(purpose="receipt")
    _run(f"UPDATE vault_promptmarketplacevault SET receipt_of_id = 9999 WHERE id = {receipt.pk}")


def _more(kept: Stall) -> None:
    other = kept.cast.prompt.pk
    _run(
        f"UPDATE vault_promptmarketplacevault_prompt_set SET prompt_id = {other} "
        f"WHERE prompt_id = {kept.prompt.pk}"
    )


def _swap(kept: Stall) -> None:
    _run("UPDATE vault_bundleimport SET digest = 'f' WHERE state = 'accepted'")


def _write(kept: Stall) -> None:
    _run("UPDATE vault_bundleimport SET envelope = '{}' WHERE state = 'waiting'")


def _forget(kept: Stall) -> None:
    _run("DELETE FROM vault_bundleimport WHERE state = 'accepted'")


def _revive(kept: Stall) -> None:
    _run("DELETE FROM registry_tombstone")


def _unlist(kept: Stall) -> None:
    RevocationList.objects.update(envelope="{}")


def _unguard(kept: Stall) -> None:
    on = " ON vault_promptmarketplacevault" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER vault_promptmarketplacevault_no_update{on}")


@pytest.mark.parametrize(
    ("tamper", "codes"),
    [
        (_rename, {"vault_signatures"}),
        (_retell, {"vault_signatures"}),
        (_empty, {"vault_signatures", "vault_prompts"}),
        (_move, {"vault_receipts"}),
        (_more, {"vault_prompts"}),
        (_swap, {"vault_imports"}),
        (_write, {"vault_imports"}),
        (_forget, {"vault_imports"}),
        (_revive, {"vault_withdrawals"}),
        (_unlist, {"vault_withdrawals"}),
        (_unguard, {"vault_append_only"}),
    ],
)
def test_what_was_tampered_with_is_named(
    kept: Stall, tamper: Callable[[Stall], None], codes: set[str]
) -> None:
    assert Prompt.objects.exists()
    with past_the_triggers():
        tamper(kept)
    assert _broken() == codes
