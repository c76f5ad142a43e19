"""Bearer keys: issue, revoke, list. `authentication` finds the holder of a key."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from mintmark.common import errors

from .models import Key, Principal

SCOPES = {
    "read": "read scores, lineage and whatever text the holder is entitled to",
    "evidence": "record evidence",
    "registry": "register prompts, assistants, rituals; move labels",
    "market": "buy, inject, fork, rate",
    "admin": "everything that the holder's roles allow",
}


class UnknownScope(errors.DomainError):
    """A key was asked for with a scope that does not exist."""

    code = "unknown_scope"


@dataclass(frozen=True, kw_only=True)
class IssuedApiKey:
    """A new key with its secret, which is not stored and can't be shown again."""

    key: Key
    secret: str


def issue(
    *,
    principal: Principal,
    scopes: Sequence[str],
    note: str = "",
    expires_at: datetime | None = None,
) -> IssuedApiKey:
    """Create a key for `principal`; the secret is 256 random bits after a visible prefix.

    Raises `Forbidden` for a principal of another installation, which is only named here and never acts, and for the
    installation itself.
    """
    if principal.kind == Principal.Kind.INSTALLATION:
        raise errors.Forbidden(
            "The installation itself needs no key: only its own worker acts as it."
        )
    if principal.kind == Principal.Kind.FOREIGN:
        raise errors.Forbidden(
            f"{principal} belongs to another installation and can't have a key here."
        )
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        raise UnknownScope(f"Scopes {unknown or 'none'}: choose from {', '.join(SCOPES)}.")
    prefix = "mm_" + secrets.token_hex(4)
    secret = f"{prefix}_{secrets.token_urlsafe(32)}"
    key = Key.objects.create(
        principal=principal,
        prefix=prefix,
        digest=_hash_secret(secret),
        scopes=sorted(set(scopes)),
        note=note,
        expires_at=expires_at,
    )
    return IssuedApiKey(key=key, secret=secret)


def revoke(*, key: Key, now: datetime) -> Key:
    """Revoke a key at once; revoking it twice changes nothing."""
    Key.objects.filter(pk=key.pk, revoked_at__isnull=True).update(revoked_at=now)
    key.refresh_from_db()
    return key


def list_keys(*, principal: Principal) -> QuerySet[Key]:
    """A principal's keys, newest first."""
    return Key.objects.filter(principal=principal).order_by("-id")


def _hash_secret(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
