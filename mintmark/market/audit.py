"""The audit of trade: each purchase with its transfer and entitlement, each transfer with its cause."""

from collections import Counter
from collections.abc import Callable, Iterator

from django.db.models import Count, F, Q, Sum

from mintmark.core import splits
from mintmark.database import findings
from mintmark.database.findings import Finding
from mintmark.registry import entitlements
from mintmark.registry.models import Entitlement, Prompt
from mintmark.tokens import house
from mintmark.tokens.models import Account, Entry, Transfer
from mintmark.vault.models import ForeignPrompt

from .models import (
    ForeignHolder,
    ForeignRoyalty,
    Injection,
    PromptTokenListing,
    Purchase,
    RoyaltyTerm,
    Warranty,
)

APPEND_ONLY = (
    "market_purchase", "market_royaltyterm", "market_prompttokenlisting", "market_promptset",
    "market_promptsetitem", "market_warranty", "market_injection", "market_foreignholder", "market_foreignroyalty",
    "registry_entitlement", "registry_tombstone",
)  # fmt: skip


def audit(*, progress: Callable[[str], None] = lambda _: None) -> list[Finding]:
    """Check every invariant of trade; reads everything and changes nothing."""
    found = []
    for check in (
        _terms_stay,
        _purchases_are_paid,
        _transfers_have_a_cause,
        _entitlements_are_bought,
        _warranties_are_settled_once,
        _escrow_holds_what_waits,
        _royalties_are_within_the_whole,
        _owed_abroad,
        _nothing_dead_is_served,
    ):
        finding = check()
        progress(finding.says)
        found.append(finding)
    return found


def _terms_stay() -> Finding:
    return findings.append_only(
        APPEND_ONLY,
        code="market_append_only",
        says="triggers refuse to change what was agreed and bought",
    )


def _purchases_are_paid() -> Finding:
    """For each transfer: what its purchases cost is what the buyer paid, less what came back to him in it."""
    totals = Purchase.objects.values("transfer", "buyer").annotate(paid=Sum("price_micro"))

    def broken() -> Iterator[str]:
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
                yield f"transfer {transfer}: {outflow[transfer]} micro-tokens left wallets, for {paid}"

    return Finding(
        code="purchases_paid",
        says="every purchase has the transfer that paid for it",
        checked=Purchase.objects.count(),
        broken=findings.first(broken()),
    )


def _transfers_have_a_cause() -> Finding:
    bought = Transfer.objects.filter(cause=Transfer.Cause.PURCHASE)
    settling = [Transfer.Cause.RELEASE, Transfer.Cause.REFUND]
    settled = Transfer.objects.filter(cause__in=settling)

    def broken() -> Iterator[str]:
        with_purchase = set(Purchase.objects.values_list("transfer_id", flat=True))
        for pk in bought.values_list("pk", flat=True):
            if pk not in with_purchase:
                yield f"transfer {pk} paid for a purchase that there is not"
        with_warranty = set(
            Warranty.objects.exclude(transfer=None).values_list("transfer_id", flat=True)
        )
        for pk in settled.values_list("pk", flat=True):
            if pk not in with_warranty:
                yield f"transfer {pk} settled a warranty that there is not"

    return Finding(
        code="transfers_caused",
        says="every transfer of a sale has its purchase or its warranty",
        checked=bought.count() + settled.count(),
        broken=findings.first(broken()),
    )


def _entitlements_are_bought() -> Finding:
    """Both ways: what was bought is granted to the buying team, and what is granted as bought has a purchase."""
    granted = Entitlement.objects.filter(reason=entitlements.BOUGHT)

    def broken() -> Iterator[str]:
        for pk in granted.filter(purchase=None).values_list("pk", flat=True):
            yield f"entitlement {pk} says that it was bought, and no purchase has it"
        astray = Purchase.objects.exclude(
            entitlement__prompt=F("prompt"), entitlement__team=F("team")
        )
        for pk in astray.values_list("pk", flat=True):
            yield f"purchase {pk} has an entitlement of another team or prompt"
        for purchase in Purchase.objects.exclude(listing__prompt=F("prompt")):
            yield f"purchase {purchase.pk} is of another prompt than its listing"
        lost = Purchase.objects.exclude(pk__in=Purchase.objects.filter(entitlement__pk__gt=0))
        for pk in lost.values_list("pk", flat=True):
            yield f"purchase {pk} has no entitlement"

    return Finding(
        code="entitlements_bought",
        says="every purchase has its entitlement, and every entitlement that was bought its purchase",
        checked=granted.count(),
        broken=findings.first(broken()),
    )


def _warranties_are_settled_once() -> Finding:
    """A settled warranty moved its price out of its escrow, once; a refund ended the entitlement."""

    def broken() -> Iterator[str]:
        settled = Warranty.objects.exclude(state=Warranty.State.OPEN)
        for warranty in settled.select_related("purchase__entitlement").iterator(chunk_size=2_000):
            price = warranty.purchase.price_micro
            out = Entry.objects.filter(
                transfer=warranty.transfer_id, account=warranty.escrow, amount_micro=-price
            )
            if not out.exists():
                yield f"warranty {warranty.pk} is {warranty.state}, and its price never left the escrow"
            if (
                warranty.state == Warranty.State.FAILED
                and warranty.purchase.entitlement.ended_at is None
            ):
                yield f"warranty {warranty.pk} was refunded, and the team may still use the prompt"
        for warranty in Warranty.objects.select_related("purchase"):
            if sum(amount for _, amount in warranty.split) != warranty.purchase.price_micro:
                yield f"warranty {warranty.pk}: its split does not sum to the price"

    return Finding(
        code="warranties_settled",
        says="every warranty is open, or was settled by one transfer",
        checked=Warranty.objects.count(),
        broken=findings.first(broken()),
    )


def _escrow_holds_what_waits() -> Finding:
    waiting = {
        row["escrow"]: row["price"]
        for row in Warranty.objects.filter(state=Warranty.State.OPEN)
        .values("escrow")
        .annotate(price=Sum("purchase__price_micro"))
    }
    held = Account.objects.filter(kind=Account.Kind.ESCROW).values_list("pk", "balance_micro")
    return Finding(
        code="escrow",
        says="the escrow holds the prices that wait for a warranty, and nothing else",
        checked=len(held),
        broken=findings.first(
            f"escrow {pk} holds {balance} micro-tokens, and {waiting.get(pk, 0)} wait there"
            for pk, balance in held
            if balance != waiting.get(pk, 0)
        ),
    )


def _royalties_are_within_the_whole() -> Finding:
    """A term is between a fork and its own parent, of another team; its rate is below the whole."""
    terms = RoyaltyTerm.objects.all()
    wrong = terms.exclude(ancestor=F("prompt__parent")) | terms.filter(
        Q(rate_bp__gte=splits.BASIS_POINTS) | Q(prompt__team=F("ancestor__team"))
    )
    return Finding(
        code="royalties",
        says="every royalty is owed to the parent of a fork, at a rate below the whole",
        checked=terms.count(),
        broken=findings.first(
            f"royalty {pk} is not between a fork and its parent"
            for pk in wrong.values_list("pk", flat=True)
        ),
    )


def _owed_abroad() -> Finding:
    """What is owed abroad is owed for what came from there, to somebody of there; only treasurers pay it out."""

    def broken() -> Iterator[str]:
        came = ForeignPrompt.objects.filter(registered=True).values("prompt")
        for pk in ForeignRoyalty.objects.exclude(prompt__in=came).values_list("pk", flat=True):
            yield f"foreign royalty {pk} is of a prompt that came with no bundle"
        holders = ForeignHolder.objects.values("principal")
        for pk in ForeignRoyalty.objects.exclude(holder__in=holders).values_list("pk", flat=True):
            yield f"foreign royalty {pk} is owed to somebody of here"
        wallets = set(ForeignHolder.objects.values_list("principal", flat=True))
        for pk in wallets - set(
            Account.objects.filter(pk__in=wallets).values_list("pk", flat=True)
        ):
            yield f"principal {pk} of another installation has no wallet"
        settled = Entry.objects.filter(transfer__cause=Transfer.Cause.SETTLEMENT)
        for transfer, account, amount in settled.values_list("transfer", "account", "amount_micro"):
            expected = account in wallets if amount < 0 else account == house.ISSUANCE
            if not expected:
                yield f"transfer {transfer} settled what nobody of another installation was owed"
        spent = Entry.objects.filter(account__in=wallets, amount_micro__lt=0)
        odd = spent.exclude(transfer__cause=Transfer.Cause.SETTLEMENT)
        for transfer in odd.values_list("transfer", flat=True):
            yield f"transfer {transfer} spent what is owed to somebody of another installation"

    return Finding(
        code="owed_abroad",
        says="what is owed abroad is owed for what came from there, and leaves wallets by settlements alone",
        checked=ForeignRoyalty.objects.count(),
        broken=findings.first(broken()),
    )


def _nothing_dead_is_served() -> Finding:
    """What was entombed stands on no market and in no slot; no slot has two prompts."""

    def broken() -> Iterator[str]:
        dead = Prompt.objects.filter(tombstone__isnull=False)
        for pk in PromptTokenListing.objects.filter(prompt__in=dead, withdrawn_at=None).values_list(
            "pk", flat=True
        ):
            yield f"listing {pk} offers a prompt that was withdrawn for good"
        active = Injection.objects.filter(ended_at=None)
        for pk in active.filter(prompt__in=dead).values_list("pk", flat=True):
            yield f"injection {pk} has a prompt at work that was withdrawn for good"
        twice = active.values("assistant", "slot").annotate(n=Count("pk")).filter(n__gt=1)
        for row in twice:
            yield f"slot {row['slot']} of assistant {row['assistant']} has {row['n']} prompts"

    return Finding(
        code="serving",
        says="nothing that was withdrawn for good is offered or at work",
        checked=Injection.objects.filter(ended_at=None).count(),
        broken=findings.first(broken()),
    )
