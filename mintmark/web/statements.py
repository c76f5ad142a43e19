"""A wallet's statement in plain words: what each entry was for, and where the income came from."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Max, OuterRef, Subquery, Sum
from django.db.models.functions import TruncDate

from mintmark.accounts.models import Principal
from mintmark.core import money
from mintmark.market import lineage
from mintmark.market.models import PromptSet, PromptTokenListing, Purchase, Warranty
from mintmark.registry.models import Prompt
from mintmark.tokens import wallets
from mintmark.tokens.models import Entry, Transfer

from .charts import balance

MOST_POINTS = 60
_FEWEST_DAYS = 5
_SALES = (Transfer.Cause.PURCHASE, Transfer.Cause.RELEASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An entry as people read it. `what` says what for, `prompts` are those it was about, `receipt` is the transfer of
    the purchase that this wallet made (None where it made none)."""

    entry: Entry
    what: str
    prompts: tuple[Prompt, ...]
    memo: str
    receipt: int | None

    @property
    def amount(self) -> str:
        return signed(self.entry.amount_micro)


@dataclass(frozen=True, slots=True, kw_only=True)
class Income:
    """What came in by one prompt, or by sets of several: `what` is sale or royalty, `times` counts the payments."""

    what: str
    prompt: Prompt | None
    prompt_set: PromptSet | None
    times: int
    amount_micro: int


def signed(amount_micro: int) -> str:
    """An amount with its sign: +12.5, −3."""
    return ("+" if amount_micro > 0 else "−") + money.shown(abs(amount_micro))


def lines(*, entries: Sequence[Entry], wallet: Principal) -> list[Line]:
    """These entries of a wallet, each with what it was for."""
    transfers = [entry.transfer_id for entry in entries]
    bought = _purchases(transfers)
    settled = {
        warranty.transfer_id: warranty.purchase
        for warranty in Warranty.objects.filter(transfer__in=transfers).select_related(
            "purchase__prompt", "purchase__listing"
        )
    }
    others = _others(entries, wallet=wallet)
    return [
        _line(
            entry,
            purchases=bought[entry.transfer_id],
            settled=settled.get(entry.transfer_id),
            other=others.get(entry.transfer_id, ""),
            wallet=wallet,
        )
        for entry in entries
    ]


def income(*, wallet: Principal) -> list[Income]:
    """Where sales and royalties came from, the largest sum first.

    A sale of a set is one payment for all that is in it: it stands under the set.
    """
    purchase = Purchase.objects.filter(transfer=OuterRef("transfer"))
    settled = Warranty.objects.filter(transfer=OuterRef("transfer"))
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
        .annotate(listing=Subquery(settled.values("purchase__listing")[:1]))
        .values_list("listing")
        .annotate(times=Count("pk"), amount=Sum("amount_micro"))
    )
    groups = [*at_once, *((None, *group) for group in paid_out)]
    return _by_source(groups, wallet=wallet)


def points(*, wallet: Principal) -> list[balance.Point]:
    """What a wallet held over time: the newest moves, or the end of each day where there are enough days."""
    entries = Entry.objects.filter(account=wallet.pk)
    days = (
        entries.annotate(day=TruncDate("transfer__posted_at"))
        .values("day")
        .annotate(last=Max("pk"))
        .order_by("-day")
        .values_list("last", flat=True)[:MOST_POINTS]
    )
    by_day = list(days)
    chosen = (
        entries.filter(pk__in=by_day).order_by("-pk")
        if len(by_day) >= _FEWEST_DAYS
        else wallets.statement(principal=wallet)[:MOST_POINTS]
    )
    return [
        balance.Point(at=at, balance_micro=held)
        for at, held in reversed(chosen.values_list("transfer__posted_at", "balance_micro"))
    ]


def _purchases(transfers: Sequence[int]) -> dict[int, list[Purchase]]:
    found: dict[int, list[Purchase]] = defaultdict(list)
    rows = Purchase.objects.filter(transfer__in=transfers)
    for purchase in rows.select_related("prompt", "listing", "prompt_set").order_by("id"):
        found[purchase.transfer_id].append(purchase)
    return found


def _others(entries: Sequence[Entry], *, wallet: Principal) -> dict[int, str]:
    """Who is on the other side of each gift."""
    gifts = [e.transfer_id for e in entries if e.transfer.cause == Transfer.Cause.GIFT]
    rows = Entry.objects.filter(transfer__in=gifts).exclude(account=wallet.pk)
    return {
        entry.transfer_id: str(entry.account.owner)
        for entry in rows.select_related("account__owner")
    }


def _line(
    entry: Entry,
    *,
    purchases: Sequence[Purchase],
    settled: Purchase | None,
    other: str,
    wallet: Principal,
) -> Line:
    cause, comes_in = entry.transfer.cause, entry.amount_micro > 0
    about: Sequence[Purchase] = [settled] if settled is not None else purchases
    receipt: int | None = None
    if cause == Transfer.Cause.GIFT:
        what = f"given by {other}" if comes_in else f"given to {other}"
    elif cause == Transfer.Cause.PURCHASE and not comes_in:
        bundle = about[0].prompt_set if about else None
        what, receipt = f"bought the set {bundle.title}" if bundle else "bought", entry.transfer_id
    elif cause == Transfer.Cause.REFUND:
        what = "refunded: the warranty failed"
        receipt = settled.transfer_id if settled is not None else None
    elif cause in _SALES:
        mine = [one for one in about if one.listing.seller_id == wallet.pk]
        what = "sale" if mine else "royalty"
        about = mine or [one for one in about if _owes(one.prompt, to=wallet)]
        if cause == Transfer.Cause.RELEASE:
            what += ", paid out: the warranty was kept"
    else:
        what = entry.transfer.get_cause_display()
    spoken = cause in (Transfer.Cause.GIFT, Transfer.Cause.MINT)
    return Line(
        entry=entry,
        what=what,
        prompts=tuple(one.prompt for one in about),
        memo=entry.transfer.memo if spoken else "",
        receipt=receipt,
    )


def _owes(prompt: Prompt, *, to: Principal) -> bool:
    return any(term.holder_id == to.pk for term in lineage.royalties_of(prompt=prompt))


def _by_source(
    groups: Sequence[tuple[int | None, int | None, int, int]], *, wallet: Principal
) -> list[Income]:
    listings = PromptTokenListing.objects.select_related("prompt").in_bulk(
        {listing for _, listing, _, _ in groups if listing is not None}
    )
    sets = PromptSet.objects.in_bulk({bundle for bundle, _, _, _ in groups if bundle is not None})
    summed: dict[tuple[str, int | None, int | None], list[int]] = defaultdict(lambda: [0, 0])
    for bundle, listing, times, amount in groups:
        offered = listings.get(listing or 0)
        sold = offered is not None and offered.seller_id == wallet.pk
        what = "sets" if bundle is not None else "sale" if sold else "royalty"
        prompt = offered.prompt_id if offered is not None and bundle is None else None
        total = summed[what, prompt, bundle]
        total[0] += times
        total[1] += amount
    prompts = {offered.prompt_id: offered.prompt for offered in listings.values()}
    found = [
        Income(
            what=what,
            prompt=prompts.get(prompt or 0),
            prompt_set=sets.get(bundle or 0),
            times=times,
            amount_micro=amount,
        )
        for (what, prompt, bundle), (times, amount) in summed.items()
    ]
    return sorted(found, key=lambda one: (-one.amount_micro, one.what))
