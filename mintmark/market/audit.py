"""The audit of trade: each purchase with its transfer and entitlement, each transfer with its cause."""

from collections import Counter
from collections.abc import Callable, Iterator

from django.db.models import Count, F, Q, Sum

from mintmark.common import revenue_split
from mintmark.deployments.models import Injection
from mintmark.registry import entitlements
from mintmark.registry.models import Entitlement, Prompt
from mintmark.storage import audit_results
from mintmark.storage.audit_results import InvariantResult
from mintmark.tokens import system_accounts
from mintmark.tokens.models import Account, Entry, Transfer
from mintmark.vault.models import PromptProvenance

from .models import (
    ForeignHolder,
    ForeignRoyalty,
    PromptTokenListing,
    Purchase,
    PurchaseRefund,
    RoyaltyTerm,
    Warranty,
)

APPEND_ONLY = (
    "market_purchase", "market_royaltyterm", "market_prompttokenlisting", "market_promptset",
    "market_promptsetitem", "market_warranty", "market_purchaserefund", "market_copydecision", "market_injection",
    "market_foreignholder", "market_foreignroyalty",
    "registry_entitlement", "registry_tombstone",
)  # fmt: skip


def audit(*, progress: Callable[[str], None] = lambda _: None) -> list[InvariantResult]:
    """Check every invariant of trade; reads everything and changes nothing."""
    results = []
    for check in (
        _check_append_only,
        _check_purchases_paid,
        _check_transfers_caused,
        _check_entitlements_bought,
        _check_warranties_closed_once,
        _check_escrow_balances,
        _check_royalty_rates,
        _check_foreign_royalties,
        _check_withdrawn_not_served,
    ):
        result = check()
        progress(result.description)
        results.append(result)
    return results


def _check_append_only() -> InvariantResult:
    return audit_results.check_append_only(
        APPEND_ONLY,
        code="market_append_only",
        description="triggers refuse to change what was agreed and bought",
    )


def _check_purchases_paid() -> InvariantResult:
    """For each transfer: what its purchases cost is what the buyer paid, less what came back to them in it."""
    totals = Purchase.objects.values("transfer", "buyer").annotate(paid=Sum("price_micro"))

    def find_violations() -> Iterator[str]:
        known = dict(
            Transfer.objects.filter(cause=Transfer.Cause.PURCHASE).values_list("pk", "actor")
        )
        outflow: Counter[int] = Counter()
        rows = Entry.objects.filter(transfer__cause=Transfer.Cause.PURCHASE)
        for transfer, amount in rows.filter(amount_micro__lt=0).values_list(
            "transfer", "amount_micro"
        ):
            outflow[transfer] -= amount
        for row in totals:
            transfer, buyer, paid = row["transfer"], row["buyer"], row["paid"]
            if transfer not in known:
                yield f"the purchases of transfer {transfer}: there is no such purchase in the book"
            elif known[transfer] != buyer:
                yield f"transfer {transfer}: principal {known[transfer]} paid, and {buyer} bought"
            elif not 0 <= outflow[transfer] <= paid:
                yield f"transfer {transfer}: {outflow[transfer]} micro-credits left wallets, for {paid}"

    return InvariantResult(
        code="purchases_paid",
        description="every purchase has the transfer that paid for it",
        checked=Purchase.objects.count(),
        broken=audit_results.take_first(find_violations()),
    )


def _check_transfers_caused() -> InvariantResult:
    purchase_transfers = Transfer.objects.filter(cause=Transfer.Cause.PURCHASE)
    warranty_causes = [Transfer.Cause.RELEASE, Transfer.Cause.REFUND]
    warranty_transfers = Transfer.objects.filter(cause__in=warranty_causes)

    def find_violations() -> Iterator[str]:
        with_purchase = set(Purchase.objects.values_list("transfer_id", flat=True))
        for pk in purchase_transfers.values_list("pk", flat=True):
            if pk not in with_purchase:
                yield f"transfer {pk} paid for a purchase that there is not"
        with_warranty = set(
            Warranty.objects.exclude(transfer=None).values_list("transfer_id", flat=True)
        )
        for pk in warranty_transfers.values_list("pk", flat=True):
            if pk not in with_warranty:
                yield f"transfer {pk} settled a warranty that there is not"
        refunded = dict(
            PurchaseRefund.objects.values_list("transfer_id").annotate(Sum("purchase__price_micro"))
        )
        paid_back: Counter[int] = Counter()
        entries = Entry.objects.filter(
            transfer__cause=Transfer.Cause.WITHDRAWAL, amount_micro__gt=0
        )
        for transfer, amount in entries.values_list("transfer", "amount_micro"):
            paid_back[transfer] += amount
        for transfer in refunded.keys() | paid_back.keys():
            # A buyer who is the seller of another of these purchases gets the difference.
            if not 0 < paid_back[transfer] <= refunded.get(transfer, 0):
                yield (
                    f"transfer {transfer} gave back {paid_back[transfer]} micro-credits, for refunds of "
                    f"{refunded.get(transfer, 0)}"
                )

    return InvariantResult(
        code="transfers_caused",
        description="every transfer of a sale has its purchase, its warranty or its refunds",
        checked=purchase_transfers.count() + warranty_transfers.count(),
        broken=audit_results.take_first(find_violations()),
    )


def _check_entitlements_bought() -> InvariantResult:
    """Both ways: what was bought is granted to the buying team, and what is granted as bought has a purchase."""
    granted = Entitlement.objects.filter(reason=entitlements.BOUGHT)

    def find_violations() -> Iterator[str]:
        for pk in granted.filter(purchase=None).values_list("pk", flat=True):
            yield f"entitlement {pk} says that it was bought, and no purchase has it"
        mismatched = Purchase.objects.exclude(
            entitlement__prompt=F("prompt"), entitlement__team=F("team")
        )
        for pk in mismatched.values_list("pk", flat=True):
            yield f"purchase {pk} has an entitlement of another team or prompt"
        for purchase in Purchase.objects.exclude(listing__prompt=F("prompt")):
            yield f"purchase {purchase.pk} is of another prompt than its listing"
        without_entitlement = Purchase.objects.exclude(
            pk__in=Purchase.objects.filter(entitlement__pk__gt=0)
        )
        for pk in without_entitlement.values_list("pk", flat=True):
            yield f"purchase {pk} has no entitlement"

    return InvariantResult(
        code="entitlements_bought",
        description="every purchase has its entitlement, and every entitlement that was bought its purchase",
        checked=granted.count(),
        broken=audit_results.take_first(find_violations()),
    )


def _check_warranties_closed_once() -> InvariantResult:
    """A settled warranty moved its price out of its escrow, once; a refund ended the entitlement."""

    def find_violations() -> Iterator[str]:
        closed = Warranty.objects.exclude(state=Warranty.State.OPEN)
        for warranty in closed.select_related("purchase__entitlement").iterator(chunk_size=2_000):
            price = warranty.purchase.price_micro
            outflow = Entry.objects.filter(
                transfer=warranty.transfer_id, account=warranty.escrow, amount_micro=-price
            )
            if not outflow.exists():
                yield f"warranty {warranty.pk} is {warranty.state}, and its price never left the escrow"
            if (
                warranty.state == Warranty.State.FAILED
                and warranty.purchase.entitlement.ended_at is None
            ):
                yield f"warranty {warranty.pk} was refunded, and the team may still use the prompt"
        for warranty in Warranty.objects.select_related("purchase"):
            if sum(amount for _, amount in warranty.split) != warranty.purchase.price_micro:
                yield f"warranty {warranty.pk}: its split does not sum to the price"

    return InvariantResult(
        code="warranties_settled",
        description="every warranty is open, or was settled by one transfer",
        checked=Warranty.objects.count(),
        broken=audit_results.take_first(find_violations()),
    )


def _check_escrow_balances() -> InvariantResult:
    expected_micro = {
        row["escrow"]: row["price"]
        for row in Warranty.objects.filter(state=Warranty.State.OPEN)
        .values("escrow")
        .annotate(price=Sum("purchase__price_micro"))
    }
    escrow_accounts = Account.objects.filter(kind=Account.Kind.ESCROW).values_list(
        "pk", "balance_micro"
    )
    return InvariantResult(
        code="escrow",
        description="the escrow holds the prices that wait for a warranty, and nothing else",
        checked=len(escrow_accounts),
        broken=audit_results.take_first(
            f"escrow {pk} holds {balance} micro-credits, and {expected_micro.get(pk, 0)} wait there"
            for pk, balance in escrow_accounts
            if balance != expected_micro.get(pk, 0)
        ),
    )


def _check_royalty_rates() -> InvariantResult:
    """A term is between a fork and its own parent, of another team; its rate is below the whole."""
    terms = RoyaltyTerm.objects.all()
    wrong = terms.exclude(ancestor=F("prompt__parent")) | terms.filter(
        Q(rate_bp__gte=revenue_split.BASIS_POINTS) | Q(prompt__team=F("ancestor__team"))
    )
    return InvariantResult(
        code="royalties",
        description="every royalty is owed to the parent of a fork, at a rate below the whole",
        checked=terms.count(),
        broken=audit_results.take_first(
            f"royalty {pk} is not between a fork and its parent"
            for pk in wrong.values_list("pk", flat=True)
        ),
    )


def _check_foreign_royalties() -> InvariantResult:
    """What is owed to other installations is owed for what came from there, to somebody of there; only treasurers pay
    it out."""

    def find_violations() -> Iterator[str]:
        imported_prompts = PromptProvenance.objects.filter(registered=True).values("prompt")
        for pk in ForeignRoyalty.objects.exclude(prompt__in=imported_prompts).values_list(
            "pk", flat=True
        ):
            yield f"foreign royalty {pk} is of a prompt that came with no bundle"
        holders = ForeignHolder.objects.values("principal")
        for pk in ForeignRoyalty.objects.exclude(holder__in=holders).values_list("pk", flat=True):
            yield f"foreign royalty {pk} is owed to somebody of here"
        wallets = set(ForeignHolder.objects.values_list("principal", flat=True))
        for pk in wallets - set(
            Account.objects.filter(pk__in=wallets).values_list("pk", flat=True)
        ):
            yield f"principal {pk} of another installation has no wallet"
        settlement_entries = Entry.objects.filter(transfer__cause=Transfer.Cause.SETTLEMENT)
        for transfer, account, amount in settlement_entries.values_list(
            "transfer", "account", "amount_micro"
        ):
            expected = account in wallets if amount < 0 else account == system_accounts.ISSUANCE
            if not expected:
                yield f"transfer {transfer} settled what nobody of another installation was owed"
        spent = Entry.objects.filter(account__in=wallets, amount_micro__lt=0)
        unexpected = spent.exclude(transfer__cause=Transfer.Cause.SETTLEMENT)
        for transfer in unexpected.values_list("transfer", flat=True):
            yield f"transfer {transfer} spent what is owed to somebody of another installation"

    return InvariantResult(
        code="owed_abroad",
        description="what other installations are owed is for what came from there; settlements alone pay it out",
        checked=ForeignRoyalty.objects.count(),
        broken=audit_results.take_first(find_violations()),
    )


def _check_withdrawn_not_served() -> InvariantResult:
    """What was withdrawn for good stands on no market and in no slot; no slot has two prompts."""

    def find_violations() -> Iterator[str]:
        withdrawn = Prompt.objects.filter(tombstone__isnull=False)
        for pk in PromptTokenListing.objects.filter(
            prompt__in=withdrawn, withdrawn_at=None
        ).values_list("pk", flat=True):
            yield f"listing {pk} offers a prompt that was withdrawn for good"
        active = Injection.objects.filter(ended_at=None)
        for pk in active.filter(prompt__in=withdrawn).values_list("pk", flat=True):
            yield f"injection {pk} has a prompt at work that was withdrawn for good"
        shared_slots = active.values("assistant", "slot").annotate(n=Count("pk")).filter(n__gt=1)
        for row in shared_slots:
            yield f"slot {row['slot']} of assistant {row['assistant']} has {row['n']} prompts"

    return InvariantResult(
        code="serving",
        description="nothing that was withdrawn for good is offered or at work",
        checked=Injection.objects.filter(ended_at=None).count(),
        broken=audit_results.take_first(find_violations()),
    )
