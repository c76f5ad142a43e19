"""Find the holder of a bearer key, in one query, since every request does it."""

import hashlib
import hmac
import json
from datetime import datetime
from pathlib import Path

from django.db import connection

from .callers import Caller
from .models import Principal, Role

_SQL = (Path(__file__).parent / "authentication.sql").read_text()
_PREFIX_LENGTH = len("mm_") + 8
_PRINCIPAL_FIELDS = ("id", "kind", "name", "team_id", "user_id")


def authenticate(*, secret: str, now: datetime) -> Caller | None:
    """The caller whose active key has this secret, or None; the answer does not distinguish an unknown key from an
    inactive one.

    A key is inactive once it is revoked or expired, or once its holder's account is disabled.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _SQL, [secret[:_PREFIX_LENGTH], connection.ops.adapt_datetimefield_value(now)]
        )
        rows = cursor.fetchall()
    digest = hashlib.sha256(secret.encode()).digest()
    if not rows or not hmac.compare_digest(bytes(rows[0][0]), digest):
        return None
    _, scopes, *holder, is_superuser, _, _ = rows[0]
    roles = {(role, team) for *_, role, team in rows if role is not None}
    teams = {team for _, team in roles if team is not None}
    if is_superuser:
        roles.add((Role.ADMIN.value, None))
    principal = Principal.from_db(connection.alias, _PRINCIPAL_FIELDS, holder)
    if principal.team_id:
        teams.add(principal.team_id)
    return Caller(
        principal=principal,
        scopes=frozenset(json.loads(scopes)),
        roles=frozenset(roles),
        team_ids=frozenset(teams),
    )
