"""`/vault/keys` and `/vault/trusted-keys`: the keys that sign here, and those of others whose signatures count here."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, TypedDict

from django.utils import timezone
from pydantic import Field

from mintmark.accounts.callers import Caller
from mintmark.common import errors
from mintmark.signing import dsse
from mintmark.signing.key_policy import TrustRoot
from mintmark.vault import keys
from mintmark.vault.models import SigningKey, TrustedKey

from . import pagination, permissions
from .authentication import AuthenticatedRequest
from .endpoints import Routes
from .request_body import Reference, RequestBody
from .responses import WriteResult

routes = Routes(tag="vault_keys", handles_files=True)

KeyId = Annotated[str, Field(description="the 32 bytes of an Ed25519 public key, in hex")]


class SigningKeyOut(TypedDict):
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
    items: list[SigningKeyOut]
    next_cursor: str | None


class TrustedKeyOut(TypedDict):
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
    items: list[TrustedKeyOut]
    next_cursor: str | None


class SignerOut(TypedDict):
    """Who signed: what is known here of the key, as of now (`name` is null where it is unknown)."""

    key_id: KeyId
    name: str | None
    state: Literal["trusted", "expired", "revoked", "unknown"]


class NewSigningKey(RequestBody):
    """A key to make, for a team or (null) for the installation."""

    team: Reference | None
    note: str = ""
    expires_at: datetime | None = None


class NewTrustedKey(RequestBody):
    """A key to trust, as its id or in PEM: whose it is, and why it counts from now on."""

    key: Annotated[str, Field(max_length=2_000)]
    name: str
    reason: str
    expires_at: datetime | None = None


class KeyRevocation(RequestBody):
    """Why a key counts no more; it is kept."""

    reason: str


@routes.get("/vault/keys", scope="read", response_schema=SigningKeyPage, error_statuses=(400,))
def list_signing_keys(
    request: AuthenticatedRequest, limit: pagination.Limit, cursor: pagination.Cursor
) -> SigningKeyPage:
    """List the keys that sign for the caller's teams and for the installation, newest first; admins and auditors see
    all."""
    rows = keys.visible_to(caller=request.auth)
    page, next_cursor = pagination.paginate_by_id(rows, limit=limit, cursor=cursor)
    return {"items": [_serialize_signing_key(row) for row in page], "next_cursor": next_cursor}


@routes.post("/vault/keys", scope="market", body=NewSigningKey, response_schema=SigningKeyOut)
def create_signing_key(
    request: AuthenticatedRequest, body: NewSigningKey
) -> WriteResult[SigningKeyOut]:
    """Create a signing key. Its private half is stored encrypted and is never shown.

    It takes the role author in the team; for the installation, an admin.
    """
    has_team = body.team is not None
    row = keys.generate_key(
        caller=request.auth,
        team=permissions.resolve_team(request.auth, name=body.team) if has_team else None,
        now=timezone.now(),
        expires_at=_validate_expiry(body.expires_at),
        note=body.note,
    )
    return _build_result(row)


@routes.post("/vault/keys/{key_id}/rotate", scope="market", response_schema=SigningKeyOut)
def rotate_signing_key(request: AuthenticatedRequest, key_id: str) -> WriteResult[SigningKeyOut]:
    """Replace a signing key with a new one; what the old key signed stays valid."""
    row = keys.rotate_key(
        caller=request.auth, key=_get_signing_key(request.auth, key_id), now=timezone.now()
    )
    return _build_result(row)


@routes.idempotent_post(
    "/vault/keys/{key_id}/revoke", scope="market", body=KeyRevocation, response_schema=SigningKeyOut
)
def revoke_signing_key(
    request: AuthenticatedRequest, key_id: str, body: KeyRevocation
) -> SigningKeyOut:
    """Revoke a signing key, so that nothing it signed counts; `/vault/revocation-list` tells other installations. The
    first reason stays.

    It takes the role author in its team; for one of the installation, an admin.
    """
    row = keys.revoke_key(
        caller=request.auth,
        key=_get_signing_key(request.auth, key_id),
        reason=body.reason,
        now=timezone.now(),
    )
    return _serialize_signing_key(row)


@routes.get(
    "/vault/trusted-keys", scope="read", response_schema=TrustedKeyPage, error_statuses=(400,)
)
def list_trusted_keys(
    request: AuthenticatedRequest, limit: pagination.Limit, cursor: pagination.Cursor
) -> TrustedKeyPage:
    """List the trusted keys of other signers, revoked ones too, newest first."""
    rows = TrustedKey.objects.select_related("trusted_by").order_by("-id")
    page, next_cursor = pagination.paginate_by_id(rows, limit=limit, cursor=cursor)
    return {"items": [_serialize_trusted_key(row) for row in page], "next_cursor": next_cursor}


@routes.post(
    "/vault/trusted-keys", scope="admin", body=NewTrustedKey, response_schema=TrustedKeyOut
)
def trust_key(request: AuthenticatedRequest, body: NewTrustedKey) -> WriteResult[TrustedKeyOut]:
    """Trust a key of another signer.

    An admin's act: compare the key with its owner, over another channel than the one by which the file came. A key that
    was revoked stays revoked.
    """
    key_id = dsse.get_key_id(dsse.read_public_key(body.key.encode()))
    row = keys.trust_key(
        caller=request.auth,
        key_id=key_id,
        name=body.name,
        reason=body.reason,
        now=timezone.now(),
        expires_at=_validate_expiry(body.expires_at),
    )
    return WriteResult(body=_serialize_trusted_key(row), location="/api/v1/vault/trusted-keys")


@routes.idempotent_post(
    "/vault/trusted-keys/{key_id}/revoke",
    scope="admin",
    body=KeyRevocation,
    response_schema=TrustedKeyOut,
)
def revoke_trusted_key(
    request: AuthenticatedRequest, key_id: str, body: KeyRevocation
) -> TrustedKeyOut:
    """Revoke the trust in a key of another signer. It takes an admin; the first reason stays."""
    row = TrustedKey.objects.filter(key_id=key_id).select_related("trusted_by").first()
    if row is None:
        raise errors.NotFound(f"The key {key_id[:16]!r} is not trusted here.")
    revoked = keys.distrust_key(
        caller=request.auth, key=row, reason=body.reason, now=timezone.now()
    )
    return _serialize_trusted_key(revoked)


def serialize_signers(
    roots_by_key: Mapping[str, TrustRoot | None], *, now: datetime
) -> list[SignerOut]:
    """Who signed something, by key id, with what is known of each key."""
    return [
        {
            "key_id": key_id,
            "name": root.name if root is not None else None,
            "state": root.get_state(now=now) if root is not None else "unknown",
        }
        for key_id, root in roots_by_key.items()
    ]


def _get_signing_key(caller: Caller, key_id: str) -> SigningKey:
    row = keys.visible_to(caller=caller).filter(key_id=key_id).first()
    if row is None:
        raise errors.NotFound(f"There is no key {key_id[:16]!r}, or it is another team's.")
    return row


def _validate_expiry(expires_at: datetime | None) -> datetime | None:
    if expires_at is not None and expires_at.tzinfo is None:
        raise keys.InvalidKeyTerms(f"Say the zone of {expires_at:%Y-%m-%d %H:%M}, such as Z.")
    return expires_at


def _build_result(row: SigningKey) -> WriteResult[SigningKeyOut]:
    return WriteResult(body=_serialize_signing_key(row), location="/api/v1/vault/keys")


def _serialize_signing_key(row: SigningKey) -> SigningKeyOut:
    return {
        "key_id": row.key_id,
        "team": row.team.name if row.team is not None else None,
        "pem": dsse.export_pem(row.key_id),
        "in_file": bool(row.file),
        "note": row.note,
        "made_by": row.made_by.name if row.made_by is not None else None,
        "made_at": row.made_at,
        "expires_at": row.expires_at,
        "retired_at": row.retired_at,
        "revoked_at": row.revoked_at,
        "revocation_reason": row.revocation_reason,
    }


def _serialize_trusted_key(row: TrustedKey) -> TrustedKeyOut:
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
