"""Decide whether signatures are trusted: a list of trusted keys, and how many of them must have signed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from mintmark.common import errors

type KeyState = Literal["trusted", "expired", "revoked"]


class SigningKeyRevoked(errors.DomainError):
    """A revoked key signed the file: anybody may hold that key now."""

    code = "signing_key_revoked"


class SigningKeyExpired(errors.DomainError):
    """Too few keys that are still valid signed the file; at least one that signed has expired."""

    code = "signing_key_expired"


class BelowThreshold(errors.DomainError):
    """Fewer trusted keys signed the file than required."""

    code = "below_threshold"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustRoot:
    """A trusted key, with its times of expiry and revocation (None: never, not)."""

    key_id: str
    name: str
    expires_at: datetime | None
    revoked_at: datetime | None

    def get_state(self, *, now: datetime) -> KeyState:
        """The state of the key at `now`."""
        return get_key_state(expires_at=self.expires_at, revoked_at=self.revoked_at, now=now)


def get_key_state(
    *, expires_at: datetime | None, revoked_at: datetime | None, now: datetime
) -> KeyState:
    """The state of a key at `now`; one that was both revoked and has expired counts as revoked."""
    if revoked_at is not None:
        return "revoked"
    return "expired" if expires_at is not None and expires_at <= now else "trusted"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerVerdict:
    """The trusted signers, and the key ids that are not known here."""

    trusted: tuple[TrustRoot, ...]
    unknown: tuple[str, ...]

    @property
    def is_known(self) -> bool:
        """Whether any trusted key signed it; otherwise a person has to decide."""
        return bool(self.trusted)


def evaluate_signers(
    *, key_ids: Iterable[str], roots: Sequence[TrustRoot], threshold: int, now: datetime
) -> SignerVerdict:
    """Evaluate verified signatures. Raises `SigningKeyRevoked`, `SigningKeyExpired`, `BelowThreshold`.

    A file that no trusted key signed is not an error: `is_known` is then False.
    """
    signed = frozenset(key_ids)
    known = {root.key_id: root for root in roots if root.key_id in signed}
    for root in known.values():
        if root.revoked_at is not None:
            raise SigningKeyRevoked(
                f"{root.name} ({root.key_id[:16]}…) signed it, a key that was revoked on {root.revoked_at:%Y-%m-%d}."
            )
    expired = [root for root in known.values() if root.get_state(now=now) == "expired"]
    trusted = tuple(root for root in known.values() if root not in expired)
    if len(trusted) < threshold:
        if expired:
            raise SigningKeyExpired(
                f"{expired[0].name} ({expired[0].key_id[:16]}…) signed it, a key that expired on "
                f"{expired[0].expires_at:%Y-%m-%d}; have it signed by a newer one."
            )
        if trusted:
            raise BelowThreshold(
                f"{len(trusted)} trusted key{'s' if len(trusted) > 1 else ''} signed it, and it takes {threshold}."
            )
    return SignerVerdict(trusted=trusted, unknown=tuple(sorted(signed - known.keys())))
