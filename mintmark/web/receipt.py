"""The receipt of a purchase: what was bought, who was paid, what became of the warranty, and what comes next."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render

from mintmark.accounts.callers import Caller
from mintmark.core import errors
from mintmark.market import receipts
from mintmark.market.models import Injection, Purchase, Warranty
from mintmark.tokens.models import Account, Entry, Transfer
from mintmark.vault import vaults
from mintmark.vault.models import PromptMarketplaceVault

from . import doors

_HOUSE = {
    Account.Kind.TREASURY: "the house, its fee",
    Account.Kind.ESCROW: "escrow, for the warranty",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """What moved on one account in a transfer. `balance_micro` is what it held then, for its owner's eyes alone."""

    who: str
    amount_micro: int
    balance_micro: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A prompt that was bought, and what became of it since: its warranty, its end, where it is at work."""

    purchase: Purchase
    warranty: Warranty | None
    injections: Sequence[Injection]


@doors.page
def page(request: HttpRequest, transfer_id: int) -> HttpResponseBase:
    """`/market/receipts/<transfer>`: for the buyer's team, auditors and admins."""
    caller = doors.caller(request)
    bought = list(receipts.visible_to(caller=caller).filter(transfer=transfer_id).order_by("id"))
    if not bought:
        raise errors.NotFound("There is no such receipt, or it is another team's.")
    return render(request, "web/receipt.html", _shown(bought, caller=caller))


def _shown(bought: Sequence[Purchase], *, caller: Caller) -> dict[str, Any]:
    first = bought[0]
    at_work = _at_work(bought)
    return {
        "transfer": Transfer.objects.get(pk=first.transfer_id),
        "vault": _vault(first.transfer_id, caller=caller),
        "first": first,
        "is_ours": first.team_id in caller.team_ids,
        "lines": [
            Line(
                purchase=one,
                warranty=getattr(one, "warranty", None),
                injections=at_work[one.prompt_id],
            )
            for one in bought
        ],
        "total_micro": sum(one.price_micro for one in bought),
        "movements": _movements(first.transfer_id, caller=caller),
    }


def _vault(transfer: int, *, caller: Caller) -> PromptMarketplaceVault | None:
    """The signed bundle of a purchase, if it was made and the caller may see it."""
    return vaults.visible_to(caller=caller).filter(receipt_of=transfer).first()


def _at_work(bought: Sequence[Purchase]) -> dict[int, list[Injection]]:
    """Where the buying team runs each of these prompts now."""
    found: dict[int, list[Injection]] = defaultdict(list)
    rows = Injection.objects.filter(
        prompt__in=[one.prompt_id for one in bought],
        assistant__team=bought[0].team_id,
        ended_at__isnull=True,
    )
    for injection in rows.select_related("assistant").order_by("assistant__name"):
        found[injection.prompt_id].append(injection)
    return found


def _movements(transfer: int, *, caller: Caller) -> list[Movement]:
    """The entries of a transfer, who pays first; of balances the caller's own alone."""
    entries = Entry.objects.filter(transfer=transfer).select_related("account__owner")
    return [
        Movement(
            who=_who(entry.account),
            amount_micro=entry.amount_micro,
            balance_micro=entry.balance_micro if entry.account_id == caller.principal.pk else None,
        )
        for entry in entries.order_by("amount_micro", "id")
    ]


def _who(account: Account) -> str:
    if account.owner is not None:
        return account.owner.name
    return _HOUSE[Account.Kind(account.kind)]
