"""Which installation this is."""

import secrets

from mintmark.storage import locks

from .models import Installation


def get_installation_id() -> str:
    """The installation's id, 32 hex digits: drawn the first time it is asked for."""
    installation_row = Installation.objects.filter(pk=1).first()
    if installation_row is None:
        installation_row, _ = Installation.objects.get_or_create(
            pk=1, defaults={"installation": secrets.token_hex(16)}
        )
    return installation_row.installation


def share_imports() -> None:
    """Let no list of withdrawals come in until the transaction ends: for whoever takes a bundle in."""
    get_installation_id()
    locks.share(Installation, [1])


def hold_imports() -> None:
    """Let no bundle come in until the transaction ends: for whoever withdraws all that came in."""
    get_installation_id()
    locks.hold(Installation, [1])
