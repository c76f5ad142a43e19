"""A wallet's statement in plain words: what each entry was for, and where the income came from."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Max, OuterRef, Subquery, Sum
from django.db.models.functions import TruncDate

from mintmark.accounts.models import Principal
from mintmark.common import amounts
from mintmark.market import lineage
from mintmark.market.models import PromptSet, PromptTokenListing, Purchase, Warranty
from mintmark.registry.models import Prompt
from mintmark.tokens import wallets
from mintmark.tokens.models import Entry, Transfer

from ..charts import balance

MAX_POINTS = 60
_MIN_DAYS = 5
_SALES = (Transfer.Cause.PURCHASE, Transfer.Cause.RELEASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLine:
    """An entry as people read it. `what` says what for, `prompts` are those it was about, `receipt` is the transfer of
    the purchase that this wallet made (None where it made none)."""

    entry: Entry
    description: str
    prompts: tuple[Prompt, ...]
    memo: str
    receipt: int | None

    @property
    def amount(self) -> str:
        return format_signed(self.entry.amount_micro)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomeRow:
    """What came in by one prompt, or by sets of several: `what` is sale or royalty, `times` counts the payments."""

    kind: str
    prompt: Prompt | None
    prompt_set: PromptSet | None
    payments: int
    amount_micro: int


def format_signed(amount_micro: int) -> str:
    """An amount with its sign: +12.5, −3."""
    return ("+" if amount_micro > 0 else "−") + amounts.format_tokens(abs(amount_micro))


def build_lines(*, entries: Sequence[Entry], wallet: Principal) -> list[StatementLine]:
    """These entries of a wallet, each with what it was for."""
    transfers = [entry.transfer_id for entry in entries]
    purchases = _group_purchases(transfers)
    warranty_purchases = {
        warranty.transfer_id: warranty.purchase
        for warranty in Warranty.objects.filter(transfer__in=transfers).select_related(
            "purchase__prompt", "purchase__listing"
        )
    }
    counterparties = _list_counterparties(entries, wallet=wallet)
    return [
        _build_line(
            entry,
            purchases=purchases[entry.transfer_id],
            warranty_purchase=warranty_purchases.get(entry.transfer_id),
            counterparty=counterparties.get(entry.transfer_id, ""),
            wallet=wallet,
        )
        for entry in entries
    ]


def list_income(*, wallet: Principal) -> list[IncomeRow]:
    """Where sales and royalties came from, the largest sum first.

    A sale of a set is one payment for all that is in it: it stands under the set.
    """
    purchase = Purchase.objects.filter(transfer=OuterRef("transfer"))
    warranties = Warranty.objects.filter(transfer=OuterRef("transfer"))
    received = Entry.objects.filter(account=wallet.pk, amount_micro__gt=0)
    at_once = (
        received.filter(transfer__cause=Transfer.Cause.PURCHASE)
        .annotate(
            bundle=Subquery(purchase.values("prompt_set")[:1]),
            listing=Subquery(purchase.filter(prompt_set__isnull=True).values("listing")[:1]),
        )
        .values_list("bundle", "listing")
        .annotate(times=Count("pk"), amount=Sum("amount_micro"))
    )
    paid_out = (
        received.filter(transfer__cause=Transfer.Cause.RELEASE)
        .annotate(listing=Subquery(warranties.values("purchase__listing")[:1]))
        .values_list("listing")
        .annotate(times=Count("pk"), amount=Sum("amount_micro"))
    )
    groups = [*at_once, *((None, *group) for group in paid_out)]
    return _build_income_rows(groups, wallet=wallet)


def list_balance_points(*, wallet: Principal) -> list[balance.BalancePoint]:
    """What a wallet held over time: the newest moves, or the end of each day where there are enough days."""
    entries = Entry.objects.filter(account=wallet.pk)
    days = (
        entries.annotate(day=TruncDate("transfer__posted_at"))
        .values("day")
        .annotate(last=Max("pk"))
        .order_by("-day")
        .values_list("last", flat=True)[:MAX_POINTS]
    )
    by_day = list(days)
    chosen = (
        entries.filter(pk__in=by_day).order_by("-pk")
        if len(by_day) >= _MIN_DAYS
        else wallets.list_entries(principal=wallet)[:MAX_POINTS]
    )
    return [
        balance.BalancePoint(at=at, balance_micro=balance_micro)
        for at, balance_micro in reversed(
            chosen.values_list("transfer__posted_at", "balance_micro")
        )
    ]


def _group_purchases(transfers: Sequence[int]) -> dict[int, list[Purchase]]:
    purchases_by_transfer: dict[int, list[Purchase]] = defaultdict(list)
    rows = Purchase.objects.filter(transfer__in=transfers)
    for purchase in rows.select_related("prompt", "listing", "prompt_set").order_by("id"):
        purchases_by_transfer[purchase.transfer_id].append(purchase)
    return purchases_by_transfer


def _list_counterparties(entries: Sequence[Entry], *, wallet: Principal) -> dict[int, str]:
    """Who is on the other side of each gift."""
    gifts = [e.transfer_id for e in entries if e.transfer.cause == Transfer.Cause.GIFT]
    rows = Entry.objects.filter(transfer__in=gifts).exclude(account=wallet.pk)
    return {
        entry.transfer_id: str(entry.account.owner)
        for entry in rows.select_related("account__owner")
    }


def _build_line(
    entry: Entry,
    *,
    purchases: Sequence[Purchase],
    warranty_purchase: Purchase | None,
    counterparty: str,
    wallet: Principal,
) -> StatementLine:
    cause, comes_in = entry.transfer.cause, entry.amount_micro > 0
    related_purchases: Sequence[Purchase] = (
        [warranty_purchase] if warranty_purchase is not None else purchases
    )
    receipt: int | None = None
    if cause == Transfer.Cause.GIFT:
        description = f"given by {counterparty}" if comes_in else f"given to {counterparty}"
    elif cause == Transfer.Cause.PURCHASE and not comes_in:
        bundle = related_purchases[0].prompt_set if related_purchases else None
        description, receipt = (
            f"bought the set {bundle.title}" if bundle else "bought",
            entry.transfer_id,
        )
    elif cause == Transfer.Cause.REFUND:
        description = "refunded: the warranty failed"
        receipt = warranty_purchase.transfer_id if warranty_purchase is not None else None
    elif cause in _SALES:
        own_sales = [
            purchase for purchase in related_purchases if purchase.listing.seller_id == wallet.pk
        ]
        description = "sale" if own_sales else "royalty"
        related_purchases = own_sales or [
            purchase
            for purchase in related_purchases
            if _is_owed_royalty(purchase.prompt, holder=wallet)
        ]
        if cause == Transfer.Cause.RELEASE:
            description += ", paid out: the warranty was met"
    else:
        description = entry.transfer.get_cause_display()
    has_memo = cause in (Transfer.Cause.GIFT, Transfer.Cause.MINT)
    return StatementLine(
        entry=entry,
        description=description,
        prompts=tuple(purchase.prompt for purchase in related_purchases),
        memo=entry.transfer.memo if has_memo else "",
        receipt=receipt,
    )


def _is_owed_royalty(prompt: Prompt, *, holder: Principal) -> bool:
    return any(term.holder_id == holder.pk for term in lineage.list_royalties(prompt=prompt))


def _build_income_rows(
    groups: Sequence[tuple[int | None, int | None, int, int]], *, wallet: Principal
) -> list[IncomeRow]:
    listings = PromptTokenListing.objects.select_related("prompt").in_bulk(
        {listing for _, listing, _, _ in groups if listing is not None}
    )
    sets = PromptSet.objects.in_bulk({bundle for bundle, _, _, _ in groups if bundle is not None})
    totals: dict[tuple[str, int | None, int | None], list[int]] = defaultdict(lambda: [0, 0])
    for bundle, listing, times, amount in groups:
        offered_listing = listings.get(listing or 0)
        is_own_sale = offered_listing is not None and offered_listing.seller_id == wallet.pk
        kind = "sets" if bundle is not None else "sale" if is_own_sale else "royalty"
        prompt = (
            offered_listing.prompt_id if offered_listing is not None and bundle is None else None
        )
        total = totals[kind, prompt, bundle]
        total[0] += times
        total[1] += amount
    prompts = {
        offered_listing.prompt_id: offered_listing.prompt for offered_listing in listings.values()
    }
    income_rows = [
        IncomeRow(
            kind=kind,
            prompt=prompts.get(prompt or 0),
            prompt_set=sets.get(bundle or 0),
            payments=times,
            amount_micro=amount,
        )
        for (kind, prompt, bundle), (times, amount) in totals.items()
    ]
    return sorted(income_rows, key=lambda income_row: (-income_row.amount_micro, income_row.kind))
