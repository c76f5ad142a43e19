"""Royalties owed to holders of other installations: posted at each sale, kept in the book, paid outside."""

from fractions import Fraction
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from mintmark.accounts import keys as bearer_keys
from mintmark.accounts.models import Principal, Role
from mintmark.common import amounts, errors
from mintmark.market import audit, lineage, price_breakdown
from mintmark.market.listings import WarrantyTerms
from mintmark.market.models import ForeignHolder, ForeignRoyalty, RoyaltyTerm
from mintmark.registry.models import Prompt
from mintmark.tokens import audit as tokens_audit
from mintmark.tokens import book, wallets
from mintmark.tokens.models import Transfer
from tests.bundles import payloads
from tests.factories.cast import person
from tests.factories.market_fixture import Stall, entries
from tests.vault import remote_installation

pytestmark = pytest.mark.django_db

FEE = Fraction(95, 100)
ISSUER = "Mintmark of Acme"


def owes(holder: str, rate_bp: int, ancestor: str = "north/old@1") -> dict[str, Any]:
    return {"ancestor": ancestor, "holder": holder, "rate_bp": rate_bp}


def told(line: str, text: str = "", **changes: Any) -> dict[str, Any]:
    return payloads.prompt(line, text=text or f"The text of {line}.", **changes)


def came(stall: Stall, *prompts: dict[str, Any], **changes: Any) -> list[Prompt]:
    """What the buyers' team took in, in the order told."""
    remote_installation.accepted(stall, remote_installation.file(*prompts, **changes))
    return [Prompt.objects.get(text=one["text"]) for one in prompts]


def principal(name: str) -> Principal:
    return ForeignHolder.objects.get(holder=name).principal


def sold(stall: Stall, prompt: Prompt, **terms: Any) -> dict[int, int]:
    """The entries of a sale of the buyers' prompt to the third party, for 10 tokens."""
    offered = stall.listed(prompt, by=stall.cast.buyer, **terms)
    parts = price_breakdown.build_price_breakdown(policy=stall.market.policy, listing=offered)
    assert sum(part.amount_micro for part in parts) == offered.price_micro
    return entries(stall.bought(offered, by=stall.third).transfer)


def holds(stall: Stall) -> None:
    """Both audits find nothing broken."""
    for finding in (*tokens_audit.audit(), *audit.audit()):
        assert not finding.broken, f"{finding.code}: {finding.broken}"


@pytest.fixture
def fair(stall: Stall) -> Stall:
    """The stall, where the key of the installation abroad counts."""
    remote_installation.trusted(stall)
    return stall


def test_a_sale_pays_the_holders_abroad_nearest_first(fair: Stall) -> None:
    royalties = [owes("Ann", 1_000), owes("Ben", 2_000, "north/older@1")]
    (prompt,) = came(fair, told("north/a@1", royalties=royalties))
    moved = sold(fair, prompt)
    net = int(10_000_000 * FEE)
    ann, ben = net // 10, (net - net // 10) // 5
    assert moved[principal("Ann").pk] == ann
    assert moved[principal("Ben").pk] == ben
    assert moved[fair.principal(fair.cast.buyer).pk] == net - ann - ben
    holds(fair)


def test_the_holders_statement_shows_the_royalty(fair: Stall) -> None:
    (prompt,) = came(fair, told("north/a@1", royalties=[owes("Ann", 1_000)]))
    sold(fair, prompt)
    (entry,) = wallets.list_entries(principal=principal("Ann"))
    assert (entry.amount_micro, entry.transfer.cause) == (950_000, "purchase")
    assert str(principal("Ann")) == f"Ann @ {ISSUER} ({payloads.INSTALLATION[:8]})"


def test_a_holder_abroad_has_a_wallet_with_nothing_in_it_and_never_acts(fair: Stall) -> None:
    came(fair, told("north/a@1", royalties=[owes("Ann", 1_000)]))
    ann = principal("Ann")
    assert (ann.kind, ann.user, ann.team) == ("foreign", None, None)
    assert book.get_balances([ann.pk]) == {ann.pk: 0}
    with pytest.raises(errors.Forbidden):
        bearer_keys.issue(principal=ann, scopes=["market"])
    with pytest.raises(DatabaseError), transaction.atomic():
        Principal.objects.filter(pk=ann.pk).update(team=fair.thirds)


def test_the_same_holder_of_two_bundles_is_one_and_of_two_installations_two(fair: Stall) -> None:
    came(fair, told("north/a@1", royalties=[owes("Ann", 1_000)]))
    came(fair, told("north/b@1", royalties=[owes("Ann", 500)]))
    assert ForeignHolder.objects.count() == 1
    other = {"installation": "f" * 32, "name": "Elsewhere", "team": "x"}
    came(fair, told("north/c@1", royalties=[owes("Ann", 500)]), issuer=other)
    assert ForeignHolder.objects.count() == 2


def test_a_fork_made_here_owes_what_its_parent_owes_after_its_own(fair: Stall) -> None:
    (prompt,) = came(fair, told("north/a@1", royalties=[owes("Ann", 1_000)]))
    offered = fair.listed(prompt, by=fair.cast.buyer, royalty_bp=2_000)
    fair.bought(offered, by=fair.third)
    child = fair.forked(prompt, by=fair.third)
    owed = lineage.list_royalties(prompt=child)
    assert [(one.holder, one.rate_bp, one.reference) for one in owed] == [
        (fair.principal(fair.cast.buyer), 2_000, "north/a@1"),
        (principal("Ann"), 1_000, "north/old@1"),
    ]
    listed = fair.listed(child, by=fair.third)
    moved = entries(fair.bought(listed, by=fair.cast.seller).transfer)
    net = int(10_000_000 * FEE)
    assert moved[fair.principal(fair.cast.buyer).pk] == net // 5
    assert moved[principal("Ann").pk] == (net - net // 5) // 10
    holds(fair)


def test_what_a_parent_that_came_along_owes_is_not_owed_twice(fair: Stall) -> None:
    old = owes("Ann", 1_000, "south/first@1")
    root = told("north/a@1", royalties=[old])
    fork = told(
        "west/b@1", parent="north/a@1", derivation="fork", royalties=[owes("Cyd", 500, "north/a@1"), old]
    )  # fmt: skip
    child, _ = came(fair, fork, root)
    assert [one.holder.name.split(" @")[0] for one in lineage.list_royalties(prompt=child)] == [
        "Cyd", "Ann",
    ]  # fmt: skip
    assert ForeignRoyalty.objects.count() == 2
    moved = sold(fair, child)
    net = int(10_000_000 * FEE)
    assert moved[principal("Cyd").pk] == net // 20
    assert moved[principal("Ann").pk] == (net - net // 20) // 10
    holds(fair)


def test_two_equal_royalties_of_one_lineage_are_both_owed(fair: Stall) -> None:
    twice = [owes("Ann", 1_000), owes("Ann", 1_000)]
    (prompt,) = came(fair, told("north/a@1", royalties=twice))
    moved = sold(fair, prompt)
    net = int(10_000_000 * FEE)
    assert moved[principal("Ann").pk] == net // 10 + (net - net // 10) // 10
    holds(fair)


def test_all_together_take_at_most_half(fair: Stall) -> None:
    royalties = [owes("Ann", 4_000), owes("Ben", 4_000), owes("Cyd", 4_000)]
    (prompt,) = came(fair, told("north/a@1", royalties=royalties))
    moved = sold(fair, prompt)
    net = int(10_000_000 * FEE)
    assert moved[principal("Ann").pk] + moved[principal("Ben").pk] == net // 2
    assert principal("Cyd").pk not in moved
    holds(fair)


def test_a_sale_under_warranty_pays_abroad_when_it_is_released(fair: Stall) -> None:
    (prompt,) = came(fair, told("north/a@1", royalties=[owes("Ann", 1_000)]))
    warranty = WarrantyTerms(ritual=fair.cast.triage, floor=0.5, runs=10, days=7)
    moved = sold(fair, prompt, warranty=warranty)
    assert principal("Ann").pk not in moved
    bot = fair.cast.assistant("bot", team=fair.thirds)
    fair.cast.record(
        fair.cast.outcome(score=0.9, prompt=prompt.pk, assistant=bot.pk), by=fair.third
    )
    assert fair.market.decide_due_warranties(now=fair.now)
    assert book.get_balances([principal("Ann").pk]) == {principal("Ann").pk: 950_000}
    holds(fair)


def test_a_fork_from_elsewhere_of_what_was_bought_here_owes_its_seller_here(fair: Stall) -> None:
    fair.bought(fair.listed(royalty_bp=1_500))
    child = told("west/b@1", parent="acme/mint@1", derivation="fork", rights="author")
    forebear = payloads.ancestor("acme/mint@1", digest=fair.prompt.digest)
    (made,) = came(fair, child, ancestors=[forebear])
    assert made.parent == fair.prompt
    term = RoyaltyTerm.objects.get(prompt=made)
    assert (term.holder, term.rate_bp) == (fair.principal(fair.cast.seller), 1_500)
    holds(fair)


def test_a_text_that_was_here_owes_nothing_new(fair: Stall) -> None:
    own = fair.cast.written("desk/own", "Ours.", by=fair.cast.buyer)
    came(fair, told("north/a@1", own.text, royalties=[owes("Ann", 1_000)]))
    assert not ForeignRoyalty.objects.exists()
    assert not ForeignHolder.objects.exists()


def test_what_is_owed_is_told_with_the_largest_first_and_paid_out_once(fair: Stall) -> None:
    royalties = [owes("Ann", 1_000), owes("Ben", 2_000)]
    (prompt,) = came(fair, told("north/a@1", royalties=royalties))
    sold(fair, prompt)
    assert [
        debt.holder.holder
        for debt in fair.market.list_foreign_balances(caller=fair.as_(fair.admin))
    ] == ["Ben", "Ann"]
    held = sum(book.get_balances([-1]).values())
    asked: dict[str, Any] = {
        "holder": principal("Ann"), "amount_micro": 950_000, "reason": "bank transfer 7",
        "idempotency_key": "a", "now": fair.now,
    }  # fmt: skip
    treasurer = fair.as_(fair.treasurer)
    first = fair.market.record_foreign_payment(caller=treasurer, **asked)
    again = fair.market.record_foreign_payment(caller=treasurer, **asked)
    assert (first.is_new, again.is_new, again.transfer) == (True, False, first.transfer)
    assert entries(first.transfer) == {principal("Ann").pk: -950_000, -1: 950_000}
    assert sum(book.get_balances([-1]).values()) == held + 950_000
    assert Transfer.objects.get(pk=first.transfer).memo == "bank transfer 7"
    assert [
        debt.holder.holder
        for debt in fair.market.list_foreign_balances(caller=fair.as_(fair.admin))
    ] == ["Ben"]
    holds(fair)


def test_no_more_is_paid_than_is_owed_and_only_abroad_and_by_a_treasurer(fair: Stall) -> None:
    (prompt,) = came(fair, told("north/a@1", royalties=[owes("Ann", 1_000)]))
    sold(fair, prompt)
    asked: dict[str, Any] = {
        "amount_micro": 950_001,
        "reason": "paid",
        "idempotency_key": "k",
        "now": fair.now,
    }
    treasurer = fair.as_(fair.treasurer)
    with pytest.raises(book.InsufficientFunds):
        fair.market.record_foreign_payment(caller=treasurer, holder=principal("Ann"), **asked)
    with pytest.raises(errors.NotFound):
        fair.market.record_foreign_payment(
            caller=treasurer, holder=fair.principal(fair.third), **asked
        )
    for amount in (0, -1):
        with pytest.raises(amounts.InvalidAmount):
            fair.market.record_foreign_payment(
                caller=treasurer, holder=principal("Ann"), **(asked | {"amount_micro": amount})
            )
    with pytest.raises(wallets.InvalidMemo):
        fair.market.record_foreign_payment(
            caller=treasurer,
            holder=principal("Ann"),
            **(asked | {"amount_micro": 1, "reason": " "}),
        )
    local = person("local", Role.TREASURER, team=fair.thirds)
    for who in (fair.cast.buyer, local, fair.cast.auditor):
        with pytest.raises(errors.Forbidden):
            fair.market.record_foreign_payment(
                caller=fair.as_(who), holder=principal("Ann"), **asked
            )
    assert book.get_balances([principal("Ann").pk]) == {principal("Ann").pk: 950_000}


def test_a_key_used_before_pays_nothing_else(fair: Stall) -> None:
    (prompt,) = came(fair, told("north/a@1", royalties=[owes("Ann", 1_000)]))
    sold(fair, prompt)
    asked: dict[str, Any] = {
        "holder": principal("Ann"), "amount_micro": 5, "reason": "paid", "idempotency_key": "k", "now": fair.now
    }  # fmt: skip
    treasurer = fair.as_(fair.treasurer)
    fair.market.record_foreign_payment(caller=treasurer, **asked)
    with pytest.raises(errors.IdempotencyKeyReused):
        fair.market.record_foreign_payment(caller=treasurer, **(asked | {"amount_micro": 6}))


def test_what_was_agreed_stays(fair: Stall) -> None:
    came(fair, told("north/a@1", royalties=[owes("Ann", 1_000)]))
    for rows in (ForeignRoyalty.objects.all(), ForeignHolder.objects.all()):
        with pytest.raises(DatabaseError), transaction.atomic():
            rows.delete()
    with pytest.raises(DatabaseError), transaction.atomic():
        ForeignRoyalty.objects.update(rate_bp=1)


def test_an_audit_finds_what_was_spent_of_what_is_owed_abroad(fair: Stall) -> None:
    (prompt,) = came(fair, told("north/a@1", royalties=[owes("Ann", 1_000)]))
    sold(fair, prompt)
    ann, thief = principal("Ann").pk, fair.principal(fair.third).pk
    book.post(
        order=book.TransferOrder(
            idempotency_key="x", request_fingerprint="x", cause=Transfer.Cause.GIFT, actor=thief,
            legs=[book.Leg(ann, -5), book.Leg(thief, 5)],
        ),
        now=fair.now,
    )  # fmt: skip
    (found,) = [one for one in audit.audit() if not one.holds]
    assert found.code == "owed_abroad"


def test_a_buyer_sees_who_abroad_gets_what(fair: Stall) -> None:
    (prompt,) = came(fair, told("north/a@1", royalties=[owes("Ann", 1_000)]))
    offered = fair.listed(prompt, by=fair.cast.buyer)
    royalty = next(
        s for s in fair.market.build_price_breakdown(listing=offered) if s.role == "royalty"
    )
    assert (royalty.holder, royalty.ancestor, royalty.reference) == (
        principal("Ann"), None, "north/old@1",
    )  # fmt: skip
    assert royalty.amount_micro == 950_000
