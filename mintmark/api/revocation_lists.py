"""`/vault/revocation-list`: the prompts that this installation exported and withdrew, and the lists of others."""

from datetime import datetime
from typing import TypedDict

from django.http import HttpRequest
from django.utils import timezone

from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.vault import revocation_lists
from mintmark.vault.models import RevocationList

from . import pagination, schemas
from .authentication import AuthenticatedRequest
from .endpoints import Routes
from .responses import SignedFileDownload, WriteResult
from .vault_keys import KeyId

routes = Routes(tag="revocation_lists", handles_files=True)


class RevokedTextOut(TypedDict):
    """A text that its issuer withdrew."""

    digest: str
    name: str
    reason: str
    at: datetime


class RevokedKeyOut(TypedDict):
    """A key that its issuer revoked."""

    key_id: KeyId
    reason: str
    at: datetime


class AppliedRevocationListOut(TypedDict):
    """A list that was taken in: what it says, and which prompts of here are withdrawn by it; `applied` counts those
    that were not before."""

    issuer: str
    name: str
    sequence: int
    brought_by: str
    brought_at: datetime
    applied: int
    withdrawn_here: list[schemas.PromptRef]
    revoked: list[RevokedTextOut]
    revoked_keys: list[RevokedKeyOut]


class RevocationListOut(TypedDict):
    """A list that was taken in, without what it says; `applied` counts the prompts of here that it withdrew."""

    issuer: str
    sequence: int
    brought_by: str
    brought_at: datetime
    applied: int


class RevocationListPage(TypedDict):
    items: list[RevocationListOut]
    next_cursor: str | None


@routes.get(
    "/vault/revocation-list/taken",
    scope="read",
    response_schema=RevocationListPage,
    error_statuses=(400,),
)
def list_revocation_lists(
    request: AuthenticatedRequest, limit: pagination.Limit, cursor: pagination.Cursor
) -> RevocationListPage:
    """List the revocation lists of other installations that were applied here, newest first."""
    rows = RevocationList.objects.select_related("brought_by").defer("envelope").order_by("-id")
    page, next_cursor = pagination.paginate_by_id(rows, limit=limit, cursor=cursor)
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
        "next_cursor": next_cursor,
    }


@routes.get_signed_file("/vault/revocation-list", scope="")
def get_revocation_list(request: HttpRequest) -> SignedFileDownload:
    """Fetch this installation's signed revocation list: digests and names of texts that it exported and then withdrew
    permanently, keys that it revoked, and why.

    Whoever took in a bundle from here asks for it from time to time. It only ever grows; the highest `sequence` holds.
    """
    return SignedFileDownload(
        name="withdrawals.json", raw=revocation_lists.build_revocation_list(now=timezone.now())
    )


@routes.upload(
    "/vault/revocation-list",
    scope="admin",
    response_schema=AppliedRevocationListOut,
    is_located=False,
)
def apply_revocation_list(
    request: AuthenticatedRequest, raw: bytes
) -> WriteResult[AppliedRevocationListOut]:
    """Apply the revocation list of another installation, as its signed bytes; it takes effect at once.

    Prompts that came here with that issuer's bundles are withdrawn from everywhere, its revoked keys count no more. An
    admin's act. A list that is older than the one known is refused.
    """
    now = timezone.now()
    row = SymbolicPromptTokenMarketplace().apply_revocation_list(
        caller=request.auth, raw=raw, now=now
    )
    return WriteResult(body=_serialize(row), location="", is_replay=row.brought_at != now)


def _serialize(row: RevocationList) -> AppliedRevocationListOut:
    revocation_list = revocation_lists.parse_revocation_list(row)
    return {
        "issuer": row.issuer,
        "name": revocation_list.issuer.name,
        "sequence": row.sequence,
        "brought_by": row.brought_by.name,
        "brought_at": row.brought_at,
        "applied": row.applied,
        "withdrawn_here": [
            schemas.serialize_prompt_ref(prompt)
            for prompt in revocation_lists.list_withdrawn_prompts(row)
        ],
        "revoked": [
            {
                "digest": entry.digest,
                "name": entry.name,
                "reason": entry.reason,
                "at": datetime.fromisoformat(entry.at),
            }
            for entry in revocation_list.revoked
        ],
        "revoked_keys": [
            {"key_id": entry.key_id, "reason": entry.reason, "at": datetime.fromisoformat(entry.at)}
            for entry in revocation_list.revoked_keys
        ],
    }
