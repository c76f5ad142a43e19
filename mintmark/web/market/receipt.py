"""The receipt of a purchase: what was bought, who was paid, what became of the warranty, and what comes next."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render

from mintmark.accounts.callers import Caller
from mintmark.common import errors
from mintmark.deployments.models import Injection
from mintmark.market import purchases as market_purchases
from mintmark.market.models import Purchase, Warranty
from mintmark.tokens.models import Account, Entry, Transfer
from mintmark.vault import bundle_store
from mintmark.vault.models import PromptMarketplaceVault

from .. import decorators

_SYSTEM_ACCOUNT_NAMES = {
    Account.Kind.TREASURY: "platform fee",
    Account.Kind.ESCROW: "escrow for the warranty",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountMovement:
    """What moved on one account in a transfer. `balance_micro` is what it held then, for its owner's eyes alone."""

    account_name: str
    amount_micro: int
    balance_micro: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptItem:
    """A prompt that was bought, and what became of it since: its warranty, its end, where it is at work."""

    purchase: Purchase
    warranty: Warranty | None
    injections: Sequence[Injection]


@decorators.get_view
def show_receipt(request: HttpRequest, transfer_id: int) -> HttpResponseBase:
    """`/market/receipts/<transfer>`: for the buyer's team, auditors and admins."""
    caller = decorators.get_caller(request)
    purchases = list(
        market_purchases.visible_to(caller=caller).filter(transfer=transfer_id).order_by("id")
    )
    if not purchases:
        raise errors.NotFound("This receipt does not exist, or it belongs to another team.")
    return render(request, "web/receipt.html", _build_context(purchases, caller=caller))


def _build_context(purchases: Sequence[Purchase], *, caller: Caller) -> dict[str, Any]:
    first = purchases[0]
    active_injections = _group_active_injections(purchases)
    return {
        "transfer": Transfer.objects.get(pk=first.transfer_id),
        "vault": _find_vault(first.transfer_id, caller=caller),
        "first": first,
        "is_ours": first.team_id in caller.team_ids,
        "lines": [
            ReceiptItem(
                purchase=purchase,
                warranty=getattr(purchase, "warranty", None),
                injections=active_injections[purchase.prompt_id],
            )
            for purchase in purchases
        ],
        "total_micro": sum(purchase.price_micro for purchase in purchases),
        "movements": _list_movements(first.transfer_id, caller=caller),
    }


def _find_vault(transfer: int, *, caller: Caller) -> PromptMarketplaceVault | None:
    """The signed bundle of a purchase, if it was made and the caller may see it."""
    return bundle_store.visible_to(caller=caller).filter(receipt_of=transfer).first()


def _group_active_injections(purchases: Sequence[Purchase]) -> dict[int, list[Injection]]:
    """Where the buying team runs each of these prompts now."""
    injections_by_prompt: dict[int, list[Injection]] = defaultdict(list)
    rows = Injection.objects.filter(
        prompt__in=[purchase.prompt_id for purchase in purchases],
        assistant__team=purchases[0].team_id,
        ended_at__isnull=True,
    )
    for injection in rows.select_related("assistant").order_by("assistant__name"):
        injections_by_prompt[injection.prompt_id].append(injection)
    return injections_by_prompt


def _list_movements(transfer: int, *, caller: Caller) -> list[AccountMovement]:
    """The entries of a transfer, who pays first; of balances the caller's own alone."""
    entries = Entry.objects.filter(transfer=transfer).select_related("account__owner")
    return [
        AccountMovement(
            account_name=_get_account_name(entry.account),
            amount_micro=entry.amount_micro,
            balance_micro=entry.balance_micro if entry.account_id == caller.principal.pk else None,
        )
        for entry in entries.order_by("amount_micro", "id")
    ]


def _get_account_name(account: Account) -> str:
    if account.owner is not None:
        return account.owner.name
    return _SYSTEM_ACCOUNT_NAMES[Account.Kind(account.kind)]
