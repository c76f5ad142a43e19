"""`/vault/keys` and `/vault/trusted-keys`: the keys that sign here, and those of others whose signatures count here."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, TypedDict

from django.utils import timezone
from pydantic import Field

from mintmark.accounts.callers import Caller
from mintmark.core import dsse, errors
from mintmark.core.trust_roots import Root
from mintmark.vault import keys
from mintmark.vault.models import SigningKey, TrustedKey

from . import paging, permissions
from .answers import Created
from .bodies import Body, Reference
from .credentials import Request
from .routes import Routes

routes = Routes(tag="vault_keys", handles_files=True)

KeyId = Annotated[str, Field(description="the 32 bytes of an Ed25519 public key, in hex")]


class SigningKeyShape(TypedDict):
    """A key that signs for a team, or (null) for the installation; `pem` is its public half. A retired one signs no
    more and what it signed stays good, a revoked one's signatures are worth nothing."""

    key_id: KeyId
    team: str | None
    pem: str
    in_file: bool
    note: str
    made_by: str | None
    made_at: datetime
    expires_at: datetime | None
    retired_at: datetime | None
    revoked_at: datetime | None
    revocation_reason: str


class SigningKeyPage(TypedDict):
    items: list[SigningKeyShape]
    next_cursor: str | None


class TrustedKeyShape(TypedDict):
    """A key of others whose signatures count here until it expires or is revoked: whose, and why."""

    key_id: KeyId
    name: str
    reason: str
    trusted_by: str
    trusted_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    revocation_reason: str


class TrustedKeyPage(TypedDict):
    items: list[TrustedKeyShape]
    next_cursor: str | None


class SignerShape(TypedDict):
    """Who signed: what is known here of the key, as of now (`name` is null where it is unknown)."""

    key_id: KeyId
    name: str | None
    state: Literal["trusted", "expired", "revoked", "unknown"]


class NewSigningKey(Body):
    """A key to make, for a team or (null) for the installation."""

    team: Reference | None
    note: str = ""
    expires_at: datetime | None = None


class NewTrustedKey(Body):
    """A key to trust, as its id or in PEM: whose it is, and why it counts from now on."""

    key: Annotated[str, Field(max_length=2_000)]
    name: str
    reason: str
    expires_at: datetime | None = None


class WhyNot(Body):
    """Why a key counts no more; it is kept."""

    reason: str


@routes.get("/vault/keys", scope="read", answer=SigningKeyPage, refuses=(400,))
def listed(request: Request, limit: paging.Limit, cursor: paging.Cursor) -> SigningKeyPage:
    """List the keys that sign for the caller's teams and for the installation, newest first; admins and auditors see
    all."""
    rows = keys.shown_to(caller=request.auth)
    page, following = paging.newest(rows, limit=limit, cursor=cursor)
    return {"items": [_signing(row) for row in page], "next_cursor": following}


@routes.post("/vault/keys", scope="market", body=NewSigningKey, answer=SigningKeyShape)
def made(request: Request, body: NewSigningKey) -> Created[SigningKeyShape]:
    """Make a key that signs from now on. Its private half is kept sealed and is never shown.

    It takes the role author in the team; for the installation, an admin.
    """
    named = body.team is not None
    row = keys.generate(
        caller=request.auth,
        team=permissions.team_of(request.auth, name=body.team) if named else None,
        now=timezone.now(),
        expires_at=_expiry(body.expires_at),
        note=body.note,
    )
    return _created(row)


@routes.post("/vault/keys/{key_id}/rotate", scope="market", answer=SigningKeyShape)
def rotated(request: Request, key_id: str) -> Created[SigningKeyShape]:
    """Make a new key in the place of this one, which signs no more; what it signed stays good."""
    row = keys.rotate(caller=request.auth, key=_named(request.auth, key_id), now=timezone.now())
    return _created(row)


@routes.act("/vault/keys/{key_id}/revoke", scope="market", body=WhyNot, answer=SigningKeyShape)
def revoked(request: Request, key_id: str, body: WhyNot) -> SigningKeyShape:
    """Let nothing that a key signed count any more; other installations learn it from `/vault/withdrawals`. The first
    reason stays.

    It takes the role author in its team; for one of the installation, an admin.
    """
    row = keys.revoke(
        caller=request.auth,
        key=_named(request.auth, key_id),
        reason=body.reason,
        now=timezone.now(),
    )
    return _signing(row)


@routes.get("/vault/trusted-keys", scope="read", answer=TrustedKeyPage, refuses=(400,))
def trusted(request: Request, limit: paging.Limit, cursor: paging.Cursor) -> TrustedKeyPage:
    """List the keys of others whose signatures count here, or once did, newest first."""
    rows = TrustedKey.objects.select_related("trusted_by").order_by("-id")
    page, following = paging.newest(rows, limit=limit, cursor=cursor)
    return {"items": [_trusted(row) for row in page], "next_cursor": following}


@routes.post("/vault/trusted-keys", scope="admin", body=NewTrustedKey, answer=TrustedKeyShape)
def trust(request: Request, body: NewTrustedKey) -> Created[TrustedKeyShape]:
    """Let a key of others count from now on.

    An admin's act: compare the key with whoever says that it is his, by another way than the one that the file came.
    A key that was revoked stays revoked.
    """
    key_id = dsse.key_id(dsse.read_public_key(body.key.encode()))
    row = keys.trust(
        caller=request.auth,
        key_id=key_id,
        name=body.name,
        reason=body.reason,
        now=timezone.now(),
        expires_at=_expiry(body.expires_at),
    )
    return Created(body=_trusted(row), location="/api/v1/vault/trusted-keys")


@routes.act(
    "/vault/trusted-keys/{key_id}/revoke", scope="admin", body=WhyNot, answer=TrustedKeyShape
)
def distrusted(request: Request, key_id: str, body: WhyNot) -> TrustedKeyShape:
    """Let nothing that a key of others signs count any more. An admin's act; the first reason stays."""
    row = TrustedKey.objects.filter(key_id=key_id).select_related("trusted_by").first()
    if row is None:
        raise errors.NotFound(f"The key {key_id[:16]!r} is not trusted here.")
    ended = keys.distrust(caller=request.auth, key=row, reason=body.reason, now=timezone.now())
    return _trusted(ended)


def signers(found: Mapping[str, Root | None], *, now: datetime) -> list[SignerShape]:
    """Who signed something, by key id, with what is known of each key."""
    return [
        {
            "key_id": key_id,
            "name": root.name if root is not None else None,
            "state": root.state(now=now) if root is not None else "unknown",
        }
        for key_id, root in found.items()
    ]


def _named(caller: Caller, key_id: str) -> SigningKey:
    row = keys.shown_to(caller=caller).filter(key_id=key_id).first()
    if row is None:
        raise errors.NotFound(f"There is no key {key_id[:16]!r}, or it is another team's.")
    return row


def _expiry(at: datetime | None) -> datetime | None:
    if at is not None and at.tzinfo is None:
        raise keys.InvalidKeyTerms(f"Say the zone of {at:%Y-%m-%d %H:%M}, such as Z.")
    return at


def _created(row: SigningKey) -> Created[SigningKeyShape]:
    return Created(body=_signing(row), location="/api/v1/vault/keys")


def _signing(row: SigningKey) -> SigningKeyShape:
    return {
        "key_id": row.key_id,
        "team": row.team.name if row.team is not None else None,
        "pem": dsse.public_pem(row.key_id),
        "in_file": bool(row.file),
        "note": row.note,
        "made_by": row.made_by.name if row.made_by is not None else None,
        "made_at": row.made_at,
        "expires_at": row.expires_at,
        "retired_at": row.retired_at,
        "revoked_at": row.revoked_at,
        "revocation_reason": row.revocation_reason,
    }


def _trusted(row: TrustedKey) -> TrustedKeyShape:
    return {
        "key_id": row.key_id,
        "name": row.name,
        "reason": row.reason,
        "trusted_by": row.trusted_by.name,
        "trusted_at": row.trusted_at,
        "expires_at": row.expires_at,
        "revoked_at": row.revoked_at,
        "revocation_reason": row.revocation_reason,
    }
