"""`/vault/debts`: royalties that sales here owe to people of other installations, and what they were paid outside."""

from typing import Annotated, TypedDict

from django.utils import timezone
from pydantic import Field

from mintmark.accounts.models import Principal
from mintmark.core import money
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace

from . import amounts, lookups, paging
from .amounts import Price, Tokens
from .answers import Created
from .bodies import Body, Id
from .credentials import Request
from .routes import Routes

routes = Routes(tag="vault_debts")


class DebtShape(TypedDict):
    """What is owed to somebody of another installation: `holder` as the bundle names him, `issuer` its installation."""

    id: int
    holder: str
    installation: str
    issuer: str
    owed: Tokens


class Debts(TypedDict):
    items: list[DebtShape]
    next_cursor: str | None


class Payment(Body):
    """What somebody of another installation was paid outside, and by which payment; it stands in the book for ever."""

    amount: Price
    reason: Annotated[str, Field(max_length=500)]


class PaymentShape(TypedDict):
    """A payment as it is kept; `amount` left his wallet here, and circulation."""

    transfer: int
    holder: int
    amount: Tokens
    reason: str


@routes.get("/vault/debts", scope="read", answer=Debts, refuses=(400,))
def listed(request: Request, limit: paging.Limit, cursor: paging.Cursor) -> Debts:
    """List what is owed to people of other installations, the largest sum first: to treasurers and auditors."""
    owed = SymbolicPromptTokenMarketplace().owed_abroad(caller=request.auth)
    page, following = paging.page(
        owed,
        limit=limit,
        cursor=cursor,
        like=(0, 0),
        key=lambda debt: (-debt.balance_micro, debt.holder.pk),
    )
    return {
        "items": [
            {
                "id": debt.holder.pk,
                "holder": debt.holder.holder,
                "installation": debt.holder.installation,
                "issuer": debt.holder.issuer_name,
                "owed": amounts.shown(debt.balance_micro),
            }
            for debt in page
        ],
        "next_cursor": following,
    }


@routes.post(
    "/vault/debts/{int:holder_id}/payments",
    scope="market",
    body=Payment,
    answer=PaymentShape,
    keyed=True,
    is_located=False,
)
def paid(request: Request, holder_id: Id, body: Payment, key: str) -> Created[PaymentShape]:
    """Keep that somebody of another installation was paid outside.

    It takes the role treasurer for the whole installation. The same `Idempotency-Key` again pays nothing more.
    """
    holders = Principal.objects.filter(kind=Principal.Kind.FOREIGN)
    posted = SymbolicPromptTokenMarketplace().pay_abroad(
        caller=request.auth,
        holder=lookups.by_id(holders, pk=holder_id),
        amount_micro=money.micro(body.amount),
        reason=body.reason,
        key=key,
        now=timezone.now(),
    )
    return Created(
        body={
            "transfer": posted.transfer,
            "holder": holder_id,
            "amount": amounts.shown(money.micro(body.amount)),
            "reason": body.reason,
        },
        location="",
        is_replay=not posted.is_new,
    )
