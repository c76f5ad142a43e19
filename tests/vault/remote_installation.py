"""Another installation, as far as its files tell: bundles signed by keys of its own."""

from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mintmark.accounts.callers import Caller
from mintmark.signing import dsse
from mintmark.vault import keys, quarantine
from mintmark.vault.models import BundleImport, TrustedKey
from tests.bundles import payloads
from tests.bundles.payloads import HOUSE
from tests.factories.market_fixture import Stall


def file(
    *prompts: dict[str, Any],
    ancestors: Sequence[dict[str, Any]] = (),
    by: Sequence[Ed25519PrivateKey] = (HOUSE,),
    **changes: Any,
) -> bytes:
    """A file with these prompts (one, where none is given), as the installation abroad signed it."""
    return payloads.sealed(prompts, keys=by, ancestors=list(ancestors), **changes)


def trusted(stall: Stall, *, key: Ed25519PrivateKey = HOUSE, **changes: Any) -> TrustedKey:
    """Let a key of the installation abroad count here."""
    asked = {"name": "Acme", "reason": "compared by telephone", "now": stall.now} | changes
    return keys.trust_key(caller=stall.as_(stall.admin), key_id=dsse.get_key_id(key), **asked)


def received(stall: Stall, raw: bytes, *, by: Caller | None = None) -> BundleImport:
    """What becomes of a file that the buyer brings for his team."""
    caller = by or stall.as_(stall.cast.buyer)
    return quarantine.receive_bundle(caller=caller, team=stall.cast.buyers, raw=raw, now=stall.now)


def accepted(
    stall: Stall, one: BundleImport | bytes, *, by: Caller | None = None, **changes: Any
) -> BundleImport:
    """Take in a file that waits, as the buyer unless somebody else is named."""
    row = received(stall, one) if isinstance(one, bytes) else one
    caller = by or stall.as_(stall.cast.buyer)
    return stall.market.accept_bundle(
        caller=caller, bundle_import=row, **({"now": stall.now} | changes)
    )
