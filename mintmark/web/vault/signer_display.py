"""Who signed a bundle, as a page says it: the key in groups that two people can compare, its name here, its state."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import batched

from mintmark.signing.key_policy import TrustRoot

UNKNOWN = "unknown"
_ORDER = ("trusted", "revoked", "expired", UNKNOWN)
_GROUP = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleSigner:
    """A key that signed: `name` is empty where nobody here knows it; `state` is as of now."""

    key_id: str
    name: str
    state: str
    root: TrustRoot | None

    @property
    def groups(self) -> list[str]:
        return group_digits(self.key_id)


def build_signers(
    *, key_ids: Iterable[str], roots: Mapping[str, TrustRoot], now: datetime
) -> list[BundleSigner]:
    """The keys of a bundle: those whose signatures count first."""
    bundle_signers = [
        BundleSigner(
            key_id=key_id,
            name=root.name if root is not None else "",
            state=root.get_state(now=now) if root is not None else UNKNOWN,
            root=root,
        )
        for key_id in sorted(key_ids)
        for root in [roots.get(key_id)]
    ]
    return sorted(bundle_signers, key=lambda signer: _ORDER.index(signer.state))


def group_digits(key_id: str) -> list[str]:
    """A key id in eight groups of eight digits, as one reads it out."""
    return ["".join(digits) for digits in batched(key_id, _GROUP)]
