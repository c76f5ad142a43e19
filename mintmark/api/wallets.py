"""`/wallets`: what one holds, the statement of it, tokens given, tokens issued."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Literal, TypedDict

from django.utils import timezone
from pydantic import Field

from mintmark.accounts import principals
from mintmark.accounts.models import Principal
from mintmark.core import money
from mintmark.registry import assistants
from mintmark.registry.models import Assistant
from mintmark.tokens import book, wallets
from mintmark.tokens.models import Entry

from . import amounts, lookups, paging
from .amounts import Price, Tokens
from .answers import Created, File
from .bodies import Body, Id, Reference
from .credentials import Request
from .routes import Routes

routes = Routes(tag="wallets")

_ROWS_AT_ONCE = 500
Memo = Annotated[str, Field(max_length=wallets.MEMO_LENGTH)]


class WalletShape(TypedDict):
    """What a holder's wallet holds; `id` is that of the holder, to whom others can give."""

    id: int
    holder: str
    balance: Tokens


class EntryShape(TypedDict):
    """A wallet's part in a transfer: what came in (or, negative, went out), and the balance after it."""

    id: int
    transfer: int
    cause: Literal["grant", "mint", "gift", "purchase", "release", "refund", "settlement"]
    memo: str
    amount: Tokens
    balance: Tokens
    posted_at: datetime


class EntryPage(TypedDict):
    items: list[EntryShape]
    next_cursor: str | None


class TransferShape(TypedDict):
    """Tokens that were moved."""

    transfer: int
    to: str
    amount: Tokens
    memo: str


class NewGift(Body):
    """Tokens to give: to a person or an assistant by name (`person:NAME` or `assistant:NAME` where both have it) or to
    a wallet by its id; `source` is an assistant that the caller operates, to take its tokens instead of his own."""

    to: Id | Reference
    amount: Price
    memo: Memo = ""
    source: Id | Reference | None = None


class NewTokens(Body):
    """Tokens to issue to a wallet (named as for a gift), for a reason that is kept."""

    to: Id | Reference
    amount: Price
    reason: Memo


@routes.get("/wallets/me", scope="read", answer=WalletShape)
def mine(request: Request) -> WalletShape:
    """Show the caller's wallet, which opens at the first look: a person's with the opening grant."""
    principal = request.auth.principal
    return _wallet(principal, wallets.opened(principal=principal, now=timezone.now()).balance_micro)


@routes.get("/wallets/me/entries", scope="read", answer=EntryPage, refuses=(400,))
def entries(request: Request, limit: paging.Limit, cursor: paging.Cursor) -> EntryPage:
    """List the entries of the caller's wallet, newest first."""
    return _entries(request.auth.principal, limit=limit, cursor=cursor)


@routes.file("/wallets/me/entries.csv", scope="read")
def statement(request: Request) -> File:
    """Download the whole statement of the caller's wallet as CSV, newest first."""
    principal = request.auth.principal
    newest = wallets.statement(principal=principal).values_list("pk", flat=True).first() or 0
    return File(
        name="statement.csv",
        version=f"{principal.pk} {newest}",
        columns=("entry", "transfer", "posted_at", "cause", "memo", "amount", "balance"),
        rows=_rows(principal, newest=newest),
    )


@routes.get("/assistants/{int:assistant_id}/wallet", scope="read", answer=WalletShape)
def of_assistant(request: Request, assistant_id: Id) -> WalletShape:
    """Show an assistant's wallet, to itself, to its team and to auditors."""
    principal = _principal(request, assistant_id)
    return _wallet(principal, book.balances([principal.pk]).get(principal.pk, 0))


@routes.get(
    "/assistants/{int:assistant_id}/wallet/entries", scope="read", answer=EntryPage, refuses=(400,)
)
def entries_of_assistant(
    request: Request, assistant_id: Id, limit: paging.Limit, cursor: paging.Cursor
) -> EntryPage:
    """List the entries of an assistant's wallet, newest first."""
    return _entries(_principal(request, assistant_id), limit=limit, cursor=cursor)


@routes.post(
    "/wallets/me/gifts",
    scope="market",
    body=NewGift,
    answer=TransferShape,
    keyed=True,
    is_located=False,
    refuses=(404,),
)
def given(request: Request, body: NewGift, key: str) -> Created[TransferShape]:
    """Give tokens from the caller's wallet, or from that of an assistant which he operates.

    The same `Idempotency-Key` with the same gift again, whenever, moves nothing a second time. Assistants give nothing.
    """
    to = _holder(body.to)
    source = assistants.named(reference=str(body.source)) if body.source is not None else None
    posted = wallets.give(
        caller=request.auth,
        to=to,
        amount_micro=money.micro(body.amount),
        memo=body.memo,
        key=key,
        now=timezone.now(),
        source=source.principal if source is not None else None,
    )
    return _moved(posted, to=to, amount=body.amount, memo=body.memo)


@routes.post(
    "/wallets/mint",
    scope="market",
    body=NewTokens,
    answer=TransferShape,
    keyed=True,
    is_located=False,
    refuses=(404,),
)
def minted(request: Request, body: NewTokens, key: str) -> Created[TransferShape]:
    """Issue new tokens to a wallet.

    It takes the role treasurer for the whole installation. The same `Idempotency-Key` again issues nothing more.
    """
    to = _holder(body.to)
    posted = wallets.mint(
        caller=request.auth,
        to=to,
        amount_micro=money.micro(body.amount),
        reason=body.reason,
        key=key,
        now=timezone.now(),
    )
    return _moved(posted, to=to, amount=body.amount, memo=body.reason)


def _moved(posted: book.Posted, *, to: Principal, amount: str, memo: str) -> Created[TransferShape]:
    return Created(
        body={
            "transfer": posted.transfer,
            "to": to.name,
            "amount": amounts.shown(money.micro(amount)),
            "memo": memo,
        },
        location="",
        is_replay=not posted.is_new,
    )


def _holder(reference: int | str) -> Principal:
    if isinstance(reference, int):
        return lookups.by_id(Principal.objects.all(), pk=reference)
    return principals.named(reference=reference)


def _principal(request: Request, assistant_id: int) -> Principal:
    """The holder of an assistant's wallet that the caller may see."""
    principal = lookups.by_id(Assistant.objects.all(), pk=assistant_id).principal
    wallets.require_may_read(caller=request.auth, principal=principal)
    return principal


def _wallet(principal: Principal, balance_micro: int) -> WalletShape:
    return {
        "id": principal.pk,
        "holder": principal.name,
        "balance": amounts.shown(balance_micro),
    }


def _entries(principal: Principal, *, limit: int, cursor: str | None) -> EntryPage:
    after = paging.read(cursor, like=(0,))
    before = int(after[0]) if after is not None else None
    rows = list(wallets.statement(principal=principal, before=before)[: limit + 1])
    page, following = paging.cut(rows, limit=limit, key=lambda row: (row.pk,))
    return {"items": [_entry(row) for row in page], "next_cursor": following}


def _entry(row: Entry) -> EntryShape:
    return {
        "id": row.pk,
        "transfer": row.transfer_id,
        "cause": row.transfer.cause,  # type: ignore[typeddict-item]  # one of the six
        "memo": row.transfer.memo,
        "amount": amounts.shown(row.amount_micro),
        "balance": amounts.shown(row.balance_micro),
        "posted_at": row.transfer.posted_at,
    }


def _rows(principal: Principal, *, newest: int) -> Iterator[Sequence[object]]:
    before = newest + 1
    while rows := list(wallets.statement(principal=principal, before=before)[:_ROWS_AT_ONCE]):
        for row in rows:
            yield (
                row.pk, row.transfer_id, row.transfer.posted_at.isoformat(), row.transfer.cause, row.transfer.memo,
                money.tokens(row.amount_micro), money.tokens(row.balance_micro),
            )  # fmt: skip
        before = rows[-1].pk
