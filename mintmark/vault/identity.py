"""Which installation this is."""

import secrets

from .models import Identity


def installation() -> str:
    """The installation's id, 32 hex digits: drawn the first time it is asked for."""
    found = Identity.objects.filter(pk=1).first()
    if found is None:
        found, _ = Identity.objects.get_or_create(
            pk=1, defaults={"installation": secrets.token_hex(16)}
        )
    return found.installation
