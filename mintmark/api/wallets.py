"""`/wallets`: what one holds, the statement of it, tokens given, tokens issued."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Literal, TypedDict

from django.utils import timezone
from pydantic import Field

from mintmark.accounts import principals
from mintmark.accounts.models import Principal
from mintmark.common import amounts
from mintmark.registry import assistants
from mintmark.registry.models import Assistant
from mintmark.tokens import book, wallets
from mintmark.tokens.models import Entry

from . import amount_fields, get_or_404, pagination
from .amount_fields import Price, Tokens
from .authentication import AuthenticatedRequest
from .endpoints import Routes
from .request_body import Id, Reference, RequestBody
from .responses import FileDownload, WriteResult

routes = Routes(tag="wallets")

_BATCH_SIZE = 500
Memo = Annotated[str, Field(max_length=wallets.MAX_MEMO_LENGTH)]


class WalletOut(TypedDict):
    """What a holder's wallet holds; `id` is that of the holder, to whom others can give."""

    id: int
    holder: str
    balance: Tokens


class WalletEntryOut(TypedDict):
    """A wallet's part in a transfer: what came in (or, negative, went out), and the balance after it."""

    id: int
    transfer: int
    cause: Literal["grant", "mint", "gift", "purchase", "release", "refund", "settlement"]
    memo: str
    amount: Tokens
    balance: Tokens
    posted_at: datetime


class WalletEntryPage(TypedDict):
    items: list[WalletEntryOut]
    next_cursor: str | None


class TransferOut(TypedDict):
    """Tokens that were moved."""

    transfer: int
    to: str
    amount: Tokens
    memo: str


class NewGift(RequestBody):
    """Tokens to give: to a person or an assistant by name (`person:NAME` or `assistant:NAME` where both have it) or to
    a wallet by its id; `source` is an assistant that the caller operates, whose credits are given instead of the
    caller's own."""

    to: Id | Reference
    amount: Price
    memo: Memo = ""
    source: Id | Reference | None = None


class NewTokens(RequestBody):
    """Tokens to issue to a wallet (named as for a gift), for a reason that is kept."""

    to: Id | Reference
    amount: Price
    reason: Memo


@routes.get("/wallets/me", scope="read", response_schema=WalletOut)
def get_wallet(request: AuthenticatedRequest) -> WalletOut:
    """Show the caller's wallet, which opens at the first look: a person's with the opening grant."""
    principal = request.auth.principal
    return _serialize_wallet(
        principal, wallets.get_or_open(principal=principal, now=timezone.now()).balance_micro
    )


@routes.get(
    "/wallets/me/entries", scope="read", response_schema=WalletEntryPage, error_statuses=(400,)
)
def list_wallet_entries(
    request: AuthenticatedRequest, limit: pagination.Limit, cursor: pagination.Cursor
) -> WalletEntryPage:
    """List the entries of the caller's wallet, newest first."""
    return _list_entries(request.auth.principal, limit=limit, cursor=cursor)


@routes.get_file("/wallets/me/entries.csv", scope="read")
def export_wallet_statement(request: AuthenticatedRequest) -> FileDownload:
    """Download the whole statement of the caller's wallet as CSV, newest first."""
    principal = request.auth.principal
    newest = wallets.list_entries(principal=principal).values_list("pk", flat=True).first() or 0
    return FileDownload(
        name="statement.csv",
        version=f"{principal.pk} {newest}",
        columns=("entry", "transfer", "posted_at", "cause", "memo", "amount", "balance"),
        rows=_iterate_rows(principal, newest=newest),
    )


@routes.get("/assistants/{int:assistant_id}/wallet", scope="read", response_schema=WalletOut)
def get_assistant_wallet(request: AuthenticatedRequest, assistant_id: Id) -> WalletOut:
    """Show an assistant's wallet, to itself, to its team and to auditors."""
    principal = _get_principal(request, assistant_id)
    return _serialize_wallet(principal, book.get_balances([principal.pk]).get(principal.pk, 0))


@routes.get(
    "/assistants/{int:assistant_id}/wallet/entries",
    scope="read",
    response_schema=WalletEntryPage,
    error_statuses=(400,),
)
def list_assistant_wallet_entries(
    request: AuthenticatedRequest,
    assistant_id: Id,
    limit: pagination.Limit,
    cursor: pagination.Cursor,
) -> WalletEntryPage:
    """List the entries of an assistant's wallet, newest first."""
    return _list_entries(_get_principal(request, assistant_id), limit=limit, cursor=cursor)


@routes.post(
    "/wallets/me/gifts",
    scope="market",
    body=NewGift,
    response_schema=TransferOut,
    requires_key=True,
    is_located=False,
    error_statuses=(404,),
)
def give_tokens(request: AuthenticatedRequest, body: NewGift, key: str) -> WriteResult[TransferOut]:
    """Give credits from the caller's wallet, or from that of an assistant that they operate.

    The same `Idempotency-Key` with the same gift again, whenever, moves nothing a second time. Assistants give nothing.
    """
    to = _resolve_holder(body.to)
    source = assistants.resolve(reference=str(body.source)) if body.source is not None else None
    posting = wallets.give(
        caller=request.auth,
        recipient=to,
        amount_micro=amounts.to_micro(body.amount),
        memo=body.memo,
        idempotency_key=key,
        now=timezone.now(),
        source=source.principal if source is not None else None,
    )
    return _build_result(posting, to=to, amount=body.amount, memo=body.memo)


@routes.post(
    "/wallets/mint",
    scope="market",
    body=NewTokens,
    response_schema=TransferOut,
    requires_key=True,
    is_located=False,
    error_statuses=(404,),
)
def mint_tokens(
    request: AuthenticatedRequest, body: NewTokens, key: str
) -> WriteResult[TransferOut]:
    """Issue new credits to a wallet.

    It takes the role treasurer for the whole installation. The same `Idempotency-Key` again issues nothing more.
    """
    to = _resolve_holder(body.to)
    posting = wallets.mint(
        caller=request.auth,
        recipient=to,
        amount_micro=amounts.to_micro(body.amount),
        reason=body.reason,
        idempotency_key=key,
        now=timezone.now(),
    )
    return _build_result(posting, to=to, amount=body.amount, memo=body.reason)


def _build_result(
    posting: book.Posting, *, to: Principal, amount: str, memo: str
) -> WriteResult[TransferOut]:
    return WriteResult(
        body={
            "transfer": posting.transfer,
            "to": to.name,
            "amount": amount_fields.format_tokens(amounts.to_micro(amount)),
            "memo": memo,
        },
        location="",
        is_replay=not posting.is_new,
    )


def _resolve_holder(reference: int | str) -> Principal:
    if isinstance(reference, int):
        return get_or_404.get_by_id(Principal.objects.all(), pk=reference)
    return principals.resolve(reference=reference)


def _get_principal(request: AuthenticatedRequest, assistant_id: int) -> Principal:
    """The holder of an assistant's wallet that the caller may see."""
    principal = get_or_404.get_by_id(Assistant.objects.all(), pk=assistant_id).principal
    wallets.require_may_read(caller=request.auth, principal=principal)
    return principal


def _serialize_wallet(principal: Principal, balance_micro: int) -> WalletOut:
    return {
        "id": principal.pk,
        "holder": principal.name,
        "balance": amount_fields.format_tokens(balance_micro),
    }


def _list_entries(principal: Principal, *, limit: int, cursor: str | None) -> WalletEntryPage:
    after = pagination.decode_cursor(cursor, key_types=(0,))
    before = int(after[0]) if after is not None else None
    rows = list(wallets.list_entries(principal=principal, before=before)[: limit + 1])
    page, next_cursor = pagination.slice_page(rows, limit=limit, key=lambda row: (row.pk,))
    return {"items": [_serialize_entry(row) for row in page], "next_cursor": next_cursor}


def _serialize_entry(row: Entry) -> WalletEntryOut:
    return {
        "id": row.pk,
        "transfer": row.transfer_id,
        "cause": row.transfer.cause,  # type: ignore[typeddict-item]  # one of the six
        "memo": row.transfer.memo,
        "amount": amount_fields.format_tokens(row.amount_micro),
        "balance": amount_fields.format_tokens(row.balance_micro),
        "posted_at": row.transfer.posted_at,
    }


def _iterate_rows(principal: Principal, *, newest: int) -> Iterator[Sequence[object]]:
    before = newest + 1
    while rows := list(wallets.list_entries(principal=principal, before=before)[:_BATCH_SIZE]):
        for row in rows:
            yield (
                row.pk, row.transfer_id, row.transfer.posted_at.isoformat(), row.transfer.cause, row.transfer.memo,
                amounts.to_tokens(row.amount_micro), amounts.to_tokens(row.balance_micro),
            )  # fmt: skip
        before = rows[-1].pk
