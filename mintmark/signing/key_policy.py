"""Whose signatures count: a list of trusted keys, and how many of them it takes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from mintmark.common import errors

type KeyState = Literal["trusted", "expired", "revoked"]


class SigningKeyRevoked(errors.DomainError):
    """A revoked key signed it: whoever holds that key now may be anybody."""

    code = "key_revoked"


class SigningKeyExpired(errors.DomainError):
    """Too few keys that are still good signed it; one that signed has expired."""

    code = "key_expired"


class BelowThreshold(errors.DomainError):
    """Fewer trusted keys signed it than it takes."""

    code = "below_threshold"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustRoot:
    """A key that is trusted, until it expires (None: never) or was revoked (None: not)."""

    key_id: str
    name: str
    expires_at: datetime | None
    revoked_at: datetime | None

    def get_state(self, *, now: datetime) -> KeyState:
        """What its signatures are worth now."""
        return get_key_state(expires_at=self.expires_at, revoked_at=self.revoked_at, now=now)


def get_key_state(
    *, expires_at: datetime | None, revoked_at: datetime | None, now: datetime
) -> KeyState:
    """What a key is good for now; one that was revoked and has expired was revoked."""
    if revoked_at is not None:
        return "revoked"
    return "expired" if expires_at is not None and expires_at <= now else "trusted"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerVerdict:
    """Whose signatures count, and which keys are not known here."""

    trusted: tuple[TrustRoot, ...]
    unknown: tuple[str, ...]

    @property
    def is_known(self) -> bool:
        """Whether anybody who is trusted signed it; else it waits for a person to look."""
        return bool(self.trusted)


def evaluate_signers(
    *, key_ids: Iterable[str], roots: Sequence[TrustRoot], threshold: int, now: datetime
) -> SignerVerdict:
    """What signatures that hold are worth. `KeyRevoked`, `KeyExpired`, `BelowThreshold`.

    None at all by a trusted key is no refusal: `is_known` is then False.
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
