"""`/vault/withdrawals`: what this installation withdrew of what it told, and what others withdrew, which acts here."""

from datetime import datetime
from typing import TypedDict

from django.http import HttpRequest
from django.utils import timezone

from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.vault import withdrawals
from mintmark.vault.models import RevocationList

from . import paging, shapes
from .answers import Created, Envelope
from .credentials import Request
from .routes import Routes
from .vault_keys import KeyId

routes = Routes(tag="withdrawals", handles_files=True)


class WithdrawnShape(TypedDict):
    """A text that its issuer withdrew."""

    digest: str
    name: str
    reason: str
    at: datetime


class RevokedKeyShape(TypedDict):
    """A key that its issuer revoked."""

    key_id: KeyId
    reason: str
    at: datetime


class TakenShape(TypedDict):
    """A list that was taken in: what it says, and which prompts of here are withdrawn by it; `applied` counts those
    that were not before."""

    issuer: str
    name: str
    sequence: int
    brought_by: str
    brought_at: datetime
    applied: int
    withdrawn_here: list[shapes.PromptNamed]
    revoked: list[WithdrawnShape]
    revoked_keys: list[RevokedKeyShape]


class ListedShape(TypedDict):
    """A list that was taken in, without what it says; `applied` counts the prompts of here that it withdrew."""

    issuer: str
    sequence: int
    brought_by: str
    brought_at: datetime
    applied: int


class ListPage(TypedDict):
    items: list[ListedShape]
    next_cursor: str | None


@routes.get("/vault/withdrawals/taken", scope="read", answer=ListPage, refuses=(400,))
def listed(request: Request, limit: paging.Limit, cursor: paging.Cursor) -> ListPage:
    """List the revocation lists of other installations that were taken in here, newest first."""
    rows = RevocationList.objects.select_related("brought_by").defer("envelope").order_by("-id")
    page, following = paging.newest(rows, limit=limit, cursor=cursor)
    return {
        "items": [
            {
                "issuer": row.issuer,
                "sequence": row.sequence,
                "brought_by": row.brought_by.name,
                "brought_at": row.brought_at,
                "applied": row.applied,
            }
            for row in page
        ],
        "next_cursor": following,
    }


@routes.envelope("/vault/withdrawals", scope="")
def issued(request: HttpRequest) -> Envelope:
    """Fetch this installation's signed revocation list: digests and names of texts that it told and then withdrew for
    good, keys that it revoked, and why.

    Whoever took in a bundle from here asks for it from time to time. It only ever grows; the highest `sequence` holds.
    """
    return Envelope(name="withdrawals.json", raw=withdrawals.issued(now=timezone.now()))


@routes.upload("/vault/withdrawals", scope="admin", answer=TakenShape, is_located=False)
def taken(request: Request, raw: bytes) -> Created[TakenShape]:
    """Take in the revocation list of another installation, as its signed bytes; it acts at once.

    Prompts that came here with that issuer's bundles are withdrawn from everywhere, its revoked keys count no more. An
    admin's act. A list that is older than the one known is refused.
    """
    now = timezone.now()
    row = SymbolicPromptTokenMarketplace().take_withdrawals(caller=request.auth, raw=raw, now=now)
    return Created(body=_shape(row), location="", is_replay=row.brought_at != now)


def _shape(row: RevocationList) -> TakenShape:
    said = withdrawals.read(row)
    return {
        "issuer": row.issuer,
        "name": said.issuer.name,
        "sequence": row.sequence,
        "brought_by": row.brought_by.name,
        "brought_at": row.brought_at,
        "applied": row.applied,
        "withdrawn_here": [shapes.prompt(prompt) for prompt in withdrawals.withdrawn_by(row)],
        "revoked": [
            {
                "digest": one.digest,
                "name": one.name,
                "reason": one.reason,
                "at": datetime.fromisoformat(one.at),
            }
            for one in said.revoked
        ],
        "revoked_keys": [
            {"key_id": one.key_id, "reason": one.reason, "at": datetime.fromisoformat(one.at)}
            for one in said.revoked_keys
        ],
    }
