"""A step of the story of two installations: `python -m tests.stories.carrying_process STEP FILE [FILE]` prints JSON.

`tell FILE` at the first: sell a set, fork one of it, export all. `take FILE BACK` at the second: distrust, trust, take
in, sell, owe and pay; export a fork of it. `back FILE` at the first: take that in.
"""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import django

django.setup()

from mintmark.accounts import callers  # noqa: E402
from mintmark.accounts.models import User  # noqa: E402
from mintmark.common import errors  # noqa: E402
from mintmark.market import lineage  # noqa: E402
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace  # noqa: E402
from mintmark.registry.models import Prompt  # noqa: E402
from mintmark.reputation.ledger import PromptReputationLedger  # noqa: E402
from mintmark.signing import bundles  # noqa: E402
from mintmark.tokens import wallets  # noqa: E402
from mintmark.vault import bundle_store, installation, keys, quarantine  # noqa: E402
from mintmark.vault.models import BundleImport, PromptMarketplaceVault  # noqa: E402
from tests.factories.cast import measured  # noqa: E402
from tests.factories.market_fixture import Stall, entries  # noqa: E402

TEXTS = {"brief": "Say in three sentences what {incident} broke.", "steps": "List the next steps."}


def tell(file: Path) -> dict[str, Any]:
    """The first installation: a set is sold, one of it forked and measured, and all of it told."""
    stall = Stall()
    cast = stall.cast
    written = [cast.written(f"acme/{name}", text, is_open=False) for name, text in TEXTS.items()]
    for prompt in written:
        stall.listed(prompt, licence="MIT", royalty_bp=1_000)
    market, buyer = stall.market, stall.as_(cast.buyer)
    chosen = market.create_prompt_set(
        caller=stall.as_(cast.seller), team=cast.sellers, name="incidents", title="Incidents", prompts=written,
        now=stall.now,
    )  # fmt: skip
    market.buy(
        caller=buyer,
        prompt_set=chosen,
        price_micro=20_000_000,
        idempotency_key="set",
        now=stall.now,
    )
    fork = stall.forked(written[0], line="brief")
    measured(cast, written[0], [0.6, 0.5])
    measured(cast, fork, [0.9, 0.95, 0.9])
    vault = market.export_bundle(
        caller=buyer, team=cast.buyers, prompts=[fork, *written], name="incidents", with_events=True, now=stall.now
    )  # fmt: skip
    file.write_bytes(bundle_store.get_raw_file(vault))
    again = market.export_bundle(
        caller=buyer, team=cast.buyers, prompts=[fork, *written], name="incidents", with_events=True,
        now=stall.now + timedelta(days=1),
    )  # fmt: skip
    return {
        "installation": installation.get_installation_id(),
        "keys": sorted(bundle_store.verify_vault(vault)),
        "is_the_same_again": bundle_store.get_raw_file(again) == file.read_bytes(),
    }


def take(file: Path, back: Path) -> dict[str, Any]:
    """The second installation: what it makes of the file."""
    stall = Stall()
    cast, raw = stall.cast, file.read_bytes()
    buyer, admin = stall.as_(cast.buyer), stall.as_(stall.admin)
    told: dict[str, Any] = {"installation": installation.get_installation_id()}

    altered = 0
    for at in range(0, len(raw), max(1, len(raw) // 40)):
        bad = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        row = quarantine.receive_bundle(caller=buyer, team=cast.buyers, raw=bad, now=stall.now)
        altered += row.state == "refused" and not row.envelope and not row.findings
    told["altered"] = [altered, BundleImport.objects.count()]
    told["stored"] = [
        PromptMarketplaceVault.objects.count(), Prompt.objects.filter(name="brief").count()
    ]  # fmt: skip

    row = quarantine.receive_bundle(caller=buyer, team=cast.buyers, raw=raw, now=stall.now)
    told["waits"] = [row.state, sorted({finding["kind"] for finding in row.findings})]
    try:
        stall.market.accept_bundle(caller=buyer, bundle_import=row, now=stall.now)
    except errors.DomainError as refusal:
        told["unknown"] = refusal.code
    for key_id in quarantine.inspect_import(row).signers:
        keys.trust_key(caller=admin, key_id=key_id, name="North", reason="met them", now=stall.now)
    row = stall.market.accept_bundle(caller=buyer, bundle_import=row, now=stall.now)
    told["taken"] = [row.state, row.runs]

    fork = Prompt.objects.get(namespace="forks", name="brief")
    assert fork.parent is not None
    told["lineage"] = [fork.reference, fork.derivation, fork.parent.reference]
    reputation = PromptReputationLedger().get_reputation(prompt=fork, now=stall.now)
    assert reputation.imported is not None
    told["prior"] = {
        "issuer": reputation.imported.issuer, "runs": reputation.trust.runs, "rank": reputation.rank,
        "is_above_average": reputation.trust.value > reputation.contributions[0].amount,
    }  # fmt: skip

    receipt = stall.bought(stall.listed(fork, by=cast.buyer, royalty_bp=500), by=stall.third)
    (debt,) = stall.market.list_foreign_balances(caller=stall.as_(stall.admin))
    holder = debt.holder.principal
    told["owed"] = [str(holder), debt.balance_micro, entries(receipt.transfer)[holder.pk]]
    told["statement"] = [entry.amount_micro for entry in wallets.list_entries(principal=holder)]

    measured(cast, fork, [0.8])
    later = stall.forked(fork, by=stall.third, line="brief-south")
    told["owes"] = [str(one.holder) for one in lineage.list_royalties(prompt=later)]
    vault = stall.market.export_bundle(
        caller=stall.as_(stall.third), team=stall.thirds, prompts=[later], name="later", now=stall.now
    )  # fmt: skip
    back.write_bytes(bundle_store.get_raw_file(vault))
    stall.market.record_foreign_payment(
        caller=stall.as_(stall.treasurer), holder=holder, amount_micro=debt.balance_micro, reason="sent to the north",
        idempotency_key="pay", now=stall.now,
    )  # fmt: skip
    told["left"] = len(stall.market.list_foreign_balances(caller=stall.as_(stall.admin)))
    return told


def back(file: Path) -> dict[str, Any]:
    """The first installation again: a fork of a fork comes home."""
    admin = callers.from_user(user=User.objects.get(username="admin"))
    now = datetime.now(UTC)
    opened = bundles.verify(file.read_bytes())
    for key_id in opened.key_ids:
        keys.trust_key(caller=admin, key_id=key_id, name="South", reason="met them", now=now)
    team = Prompt.objects.get(namespace="forks", name="brief").team
    row = quarantine.receive_bundle(caller=admin, team=team, raw=file.read_bytes(), now=now)
    assert row.state == "waiting", (row.code, row.reason)
    row = SymbolicPromptTokenMarketplace().accept_bundle(caller=admin, bundle_import=row, now=now)
    came = Prompt.objects.get(name="brief-south")
    assert came.parent is not None
    return {
        "taken": [row.state, row.code],
        "parent": [came.parent.reference, came.parent.foreign.count()],
        "owes": [str(one.holder) for one in lineage.list_royalties(prompt=came)],
    }


if __name__ == "__main__":
    steps = {"tell": tell, "take": take, "back": back}
    print(json.dumps(steps[sys.argv[1]](*map(Path, sys.argv[2:]))))  # type: ignore[operator]
