"""The audit of trade names what was tampered with."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection

from mintmark.market import audit
from mintmark.market.listings import WarrantyTerms
from mintmark.registry.models import Prompt
from tests.bundles import payloads
from tests.factories.market_fixture import Stall
from tests.tampering import past_the_triggers
from tests.vault import remote_installation

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.both("triggers and findings have SQL of their own there"),
]


@pytest.fixture
def traded(stall: Stall) -> Stall:
    """A prompt sold to two teams under warranty, one refunded, a fork sold with its royalty; one from elsewhere too."""
    remote_installation.trusted(stall)
    owed = {"ancestor": "north/old@1", "holder": "Ann", "rate_bp": 1_000}
    remote_installation.accepted(
        stall,
        remote_installation.file(
            payloads.prompt("north/a@1", text="From elsewhere.", royalties=[owed])
        ),
    )
    came = Prompt.objects.get(text="From elsewhere.")
    stall.bought(stall.listed(came, by=stall.cast.buyer), by=stall.third)
    terms = WarrantyTerms(ritual=stall.cast.triage, floor=0.6, runs=20, days=14)
    listing = stall.listed(royalty_bp=1_000, warranty=terms)
    stall.bought(listing)
    stall.bought(listing, by=stall.third)
    child = stall.forked(stall.prompt)
    stall.market.inject(
        caller=stall.as_(stall.cast.buyer),
        prompt=stall.prompt,
        assistant=stall.cast.scout,
        now=stall.now,
    )
    stall.bought(stall.listed(child, by=stall.cast.buyer), by=stall.third)
    at = stall.now + timedelta(days=1)
    ranger = stall.cast.assistant("ranger", team=stall.thirds)
    stall.cast.record(
        stall.cast.outcome(
            score=0.1, runs=20, prompt=stall.prompt.pk, assistant=ranger.pk, occurred_at=at
        ),
        by=stall.third,
        now=at,
    )
    stall.market.decide_due_warranties(now=at)
    return stall


def _broken() -> set[str]:
    return {finding.code for finding in audit.audit() if not finding.holds}


def _run(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        assert cursor.rowcount, sql


def test_an_honest_market_holds_and_everything_was_looked_at(traded: Stall) -> None:
    found = audit.audit()
    assert [finding.broken for finding in found if not finding.holds] == []
    assert all(finding.checked for finding in found)


TAMPERING: dict[str, tuple[str, Callable[[], None]]] = {
    "a purchase is made up": (
        "purchases_paid",
        lambda: _run("UPDATE market_purchase SET transfer_id = transfer_id + 1000"),
    ),
    "a purchase is taken away": (
        "transfers_caused",
        lambda: _run(
            "DELETE FROM market_purchase WHERE id = (SELECT max(id) FROM market_purchase)"
        ),
    ),
    "an entitlement is made up": (
        "entitlements_bought",
        lambda: _run(
            "INSERT INTO registry_entitlement (prompt_id, team_id, reason, granted_at, end_reason) "
            "SELECT prompt_id, (SELECT id FROM accounts_team WHERE name = 'sellers'), 'bought', granted_at, '' "
            "FROM registry_entitlement LIMIT 1"
        ),
    ),
    "an entitlement moves to another team": (
        "entitlements_bought",
        lambda: _run(
            "UPDATE market_purchase SET team_id = team_id + 1000 WHERE id = (SELECT max(id) FROM market_purchase)"
        ),
    ),
    "an open warranty is dropped": (
        "escrow",
        lambda: _run("DELETE FROM market_warranty WHERE state = 'open'"),
    ),
    "a refund leaves the right": (
        "warranties_settled",
        lambda: _run(
            "UPDATE registry_entitlement SET ended_at = NULL WHERE id IN (SELECT entitlement_id FROM market_purchase "
            "JOIN market_warranty ON purchase_id = market_purchase.id WHERE state = 'failed')"
        ),
    ),
    "a split no longer sums up": (
        "warranties_settled",
        lambda: _run("UPDATE market_warranty SET split = '[[1, 5]]'"),
    ),
    "a royalty points elsewhere": (
        "royalties",
        lambda: _run("UPDATE market_royaltyterm SET ancestor_id = prompt_id"),
    ),
    "a royalty abroad comes home": (
        "owed_abroad",
        lambda: _run(
            "UPDATE market_foreignroyalty SET holder_id = (SELECT min(id) FROM accounts_principal)"
        ),
    ),
    "a royalty abroad is made up": (
        "owed_abroad",
        lambda: _run(
            "UPDATE market_foreignroyalty SET prompt_id = (SELECT min(id) FROM registry_prompt)"
        ),
    ),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_what_was_tampered_with_is_named(traded: Stall, what: str) -> None:
    code, tamper = TAMPERING[what]
    with past_the_triggers():
        tamper()
        assert code in _broken()


def test_what_was_entombed_past_the_verb_is_found_at_work(traded: Stall) -> None:
    from mintmark.registry.models import Tombstone

    Tombstone.objects.create(
        prompt=traded.prompt, actor=traded.principal(traded.admin), reason="x", set_at=traded.now
    )
    assert "serving" in _broken()


def test_a_trigger_that_was_taken_down_is_missed(traded: Stall) -> None:
    on = " ON market_purchase" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER market_purchase_no_update{on}")
    assert "market_append_only" in _broken()
