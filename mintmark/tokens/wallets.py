"""Wallets: open one, see what it holds and its statement, give credits from it."""

from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Principal, Role
from mintmark.common import amounts, errors

from . import book, system_accounts
from .book import Leg, Posting, TransferOrder
from .models import Account, Entry, Transfer

MAX_MEMO_LENGTH = 200


class InvalidMemo(errors.DomainError):
    """A memo or reason that can't be kept."""

    code = "invalid_memo"


def get_or_open(*, principal: Principal, now: datetime) -> Account:
    """The principal's wallet; the first time it is opened, with the opening grant if they are a person.

    Assistants start with nothing: an operator registers as many as they like, and would mint with each.
    """
    account = Account.objects.filter(pk=principal.pk).first()
    if account is not None:
        return account
    with transaction.atomic():
        Account.objects.bulk_create(
            [Account(id=principal.pk, kind=Account.Kind.WALLET, owner=principal)],
            ignore_conflicts=True,
        )
        grant = settings.OPENING_GRANT_MICRO
        if grant and principal.kind == Principal.Kind.PERSON:
            # The sum is no part of what the key stands for: a changed setting grants nothing twice.
            order = TransferOrder(
                idempotency_key=f"grant:{principal.pk}",
                request_fingerprint="opening grant",
                cause=Transfer.Cause.GRANT,
                actor=principal.pk,
                legs=[Leg(system_accounts.ISSUANCE, -grant), Leg(principal.pk, grant)],
            )
            book.post(order=order, now=now)
    return Account.objects.get(pk=principal.pk)


def require_may_read(*, caller: Caller, principal: Principal) -> None:
    """Refuse unless the caller may see this wallet: its owner, of an assistant's the people of its team, an auditor."""
    is_owner = principal.pk == caller.principal.pk
    is_team_assistant = (
        principal.kind == Principal.Kind.ASSISTANT
        and not caller.is_assistant
        and principal.team_id in caller.team_ids
    )
    if not (is_owner or is_team_assistant or caller.has_role(Role.AUDITOR, team_id=None)):
        raise errors.Forbidden("A wallet is for its owner, and an assistant's for its team.")


def list_entries(*, principal: Principal, before: int | None = None) -> QuerySet[Entry]:
    """The entries of a wallet, newest first; with `before`, those older than that entry."""
    entries = Entry.objects.filter(account=principal.pk).select_related("transfer")
    if before is not None:
        entries = entries.filter(pk__lt=before)
    return entries.order_by("-id")


def give(
    *,
    caller: Caller,
    recipient: Principal,
    amount_micro: int,
    memo: str,
    idempotency_key: str,
    now: datetime,
    source: Principal | None = None,
) -> Posting:
    """Move credits from the caller's wallet to another; or from that of an assistant (`source`) which they operate.

    Assistants give nothing: what they may spend is what their owner allows them to buy for.
    """
    caller.require_scope("market")
    giver = source or caller.principal
    if caller.is_assistant:
        raise errors.Forbidden("An assistant buys prompts and gives no credits away.")
    if giver.pk != caller.principal.pk and not _may_operate(caller, giver):
        raise errors.Forbidden("This takes the role 'operator' in the team of that assistant.")
    if giver.pk == recipient.pk:
        raise amounts.InvalidAmount("A wallet can't give to itself; name another one.")
    _check_amount(amount_micro)
    _check_memo(memo)
    get_or_open(principal=giver, now=now)
    get_or_open(principal=recipient, now=now)
    order = TransferOrder(
        idempotency_key=f"gift:{caller.principal.pk}:{idempotency_key}",
        request_fingerprint=f"gift {giver.pk} {recipient.pk} {amount_micro} {memo}",
        cause=Transfer.Cause.GIFT,
        actor=caller.principal.pk,
        legs=[Leg(giver.pk, -amount_micro), Leg(recipient.pk, amount_micro)],
        memo=memo,
    )
    return book.post(order=order, now=now)


def mint(
    *,
    caller: Caller,
    recipient: Principal,
    amount_micro: int,
    reason: str,
    idempotency_key: str,
    now: datetime,
) -> Posting:
    """Issue new credits to a wallet, for a reason that is kept. It takes the role 'treasurer', everywhere."""
    _require_treasurer(caller)
    _check_amount(amount_micro)
    _check_reason(reason)
    get_or_open(principal=recipient, now=now)
    order = TransferOrder(
        idempotency_key=f"mint:{caller.principal.pk}:{idempotency_key}",
        request_fingerprint=f"mint {recipient.pk} {amount_micro} {reason}",
        cause=Transfer.Cause.MINT,
        actor=caller.principal.pk,
        legs=[Leg(system_accounts.ISSUANCE, -amount_micro), Leg(recipient.pk, amount_micro)],
        memo=reason,
    )
    return book.post(order=order, now=now)


def burn(
    *,
    caller: Caller,
    holder: Principal,
    amount_micro: int,
    reason: str,
    idempotency_key: str,
    now: datetime,
) -> Posting:
    """Take tokens of somebody of another installation, who was paid for them outside, out of circulation.

    It takes the role 'treasurer', everywhere. Raises `book.InsufficientFunds` beyond what they are owed.
    """
    _require_treasurer(caller)
    if holder.kind != Principal.Kind.FOREIGN:
        raise errors.Forbidden(f"{holder} is of this installation, and spends their own credits.")
    _check_amount(amount_micro)
    _check_reason(reason)
    order = TransferOrder(
        idempotency_key=f"settle:{caller.principal.pk}:{idempotency_key}",
        request_fingerprint=f"settle {holder.pk} {amount_micro} {reason}",
        cause=Transfer.Cause.SETTLEMENT,
        actor=caller.principal.pk,
        legs=[Leg(holder.pk, -amount_micro), Leg(system_accounts.ISSUANCE, amount_micro)],
        memo=reason,
    )
    return book.post(order=order, now=now)


def _require_treasurer(caller: Caller) -> None:
    caller.require_scope("market")
    if not caller.has_role(Role.TREASURER, team_id=None):
        raise errors.Forbidden(
            "Issuing credits, and taking them back, takes the role 'treasurer' for the installation."
        )


def _check_reason(reason: str) -> None:
    _check_memo(reason)
    if not reason.strip():
        raise InvalidMemo("Say why, in a few words: it stands in the book for ever.")


def _may_operate(caller: Caller, principal: Principal) -> bool:
    is_assistant = principal.kind == Principal.Kind.ASSISTANT
    return is_assistant and caller.has_role(Role.OPERATOR, team_id=principal.team_id)


def _check_amount(amount_micro: int) -> None:
    # A gift of less than nothing would take from whom it names.
    if not 0 < amount_micro <= amounts.MAX_MICRO:
        raise amounts.InvalidAmount(
            f"The amount {amounts.format_tokens(amount_micro)} can't be moved: give more than 0 credits, and at most "
            f"{amounts.format_tokens(amounts.MAX_MICRO)}."
        )


def _check_memo(memo: str) -> None:
    if len(memo) > MAX_MEMO_LENGTH or not (memo.isprintable() or not memo):
        raise InvalidMemo(
            f"The memo {memo[:60]!r} can't be kept: use up to {MAX_MEMO_LENGTH} printable characters."
        )
