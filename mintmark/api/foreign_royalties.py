"""`/royalties/foreign`: royalties owed to people of other installations, and payments made to them outside."""

from typing import Annotated, TypedDict

from django.utils import timezone
from pydantic import Field

from mintmark.accounts.models import Principal
from mintmark.common import amounts
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace

from . import amount_fields, get_or_404, pagination
from .amount_fields import Price, Tokens
from .authentication import AuthenticatedRequest
from .endpoints import Routes
from .request_body import Id, RequestBody
from .responses import WriteResult

routes = Routes(tag="foreign_royalties")


class ForeignBalanceOut(TypedDict):
    """What is owed to somebody of another installation: `holder` as the bundle names them, `issuer` their
    installation."""

    id: int
    holder: str
    installation: str
    issuer: str
    owed: Tokens


class ForeignBalancePage(TypedDict):
    items: list[ForeignBalanceOut]
    next_cursor: str | None


class NewPayment(RequestBody):
    """What somebody of another installation was paid outside, and by which payment; it stands in the book for ever."""

    amount: Price
    reason: Annotated[str, Field(max_length=500)]


class PaymentOut(TypedDict):
    """A payment as it is kept; `amount` left the holder's wallet here, and circulation."""

    transfer: int
    holder: int
    amount: Tokens
    reason: str


@routes.get(
    "/royalties/foreign", scope="read", response_schema=ForeignBalancePage, error_statuses=(400,)
)
def list_foreign_royalties(
    request: AuthenticatedRequest, limit: pagination.Limit, cursor: pagination.Cursor
) -> ForeignBalancePage:
    """List the royalties owed to people of other installations, the largest sum first: to treasurers and auditors."""
    balances = SymbolicPromptTokenMarketplace().list_foreign_balances(caller=request.auth)
    page, next_cursor = pagination.paginate_list(
        balances,
        limit=limit,
        cursor=cursor,
        key_types=(0, 0),
        key=lambda balance: (-balance.balance_micro, balance.holder.pk),
    )
    return {
        "items": [
            {
                "id": balance.holder.pk,
                "holder": balance.holder.holder,
                "installation": balance.holder.installation,
                "issuer": balance.holder.issuer_name,
                "owed": amount_fields.format_tokens(balance.balance_micro),
            }
            for balance in page
        ],
        "next_cursor": next_cursor,
    }


@routes.post(
    "/royalties/foreign/{int:holder_id}/payments",
    scope="market",
    body=NewPayment,
    response_schema=PaymentOut,
    requires_key=True,
    is_located=False,
)
def record_foreign_payment(
    request: AuthenticatedRequest, holder_id: Id, body: NewPayment, key: str
) -> WriteResult[PaymentOut]:
    """Record a payment that was made outside to a person of another installation.

    It takes the role treasurer for the whole installation. The same `Idempotency-Key` again pays nothing more.
    """
    holders = Principal.objects.filter(kind=Principal.Kind.FOREIGN)
    posting = SymbolicPromptTokenMarketplace().record_foreign_payment(
        caller=request.auth,
        holder=get_or_404.get_by_id(holders, pk=holder_id),
        amount_micro=amounts.to_micro(body.amount),
        reason=body.reason,
        idempotency_key=key,
        now=timezone.now(),
    )
    return WriteResult(
        body={
            "transfer": posting.transfer,
            "holder": holder_id,
            "amount": amount_fields.format_tokens(amounts.to_micro(body.amount)),
            "reason": body.reason,
        },
        location="",
        is_replay=not posting.is_new,
    )
