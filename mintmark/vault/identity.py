"""Which installation this is."""

import secrets

from mintmark.database import locks

from .models import Identity


def installation() -> str:
    """The installation's id, 32 hex digits: drawn the first time it is asked for."""
    found = Identity.objects.filter(pk=1).first()
    if found is None:
        found, _ = Identity.objects.get_or_create(
            pk=1, defaults={"installation": secrets.token_hex(16)}
        )
    return found.installation


def share_imports() -> None:
    """Let no list of withdrawals come in until the transaction ends: for whoever takes a bundle in."""
    installation()
    locks.share(Identity, [1])


def hold_imports() -> None:
    """Let no bundle come in until the transaction ends: for whoever withdraws all that came in."""
    installation()
    locks.hold(Identity, [1])
