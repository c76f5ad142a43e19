"""Temporary database errors: its server is away, or others hold what is needed."""

from django.db import InterfaceError, OperationalError

from mintmark.common import errors

_TRANSIENT_SQLITE_ERRORS = frozenset({5, 6})  # SQLITE_BUSY, SQLITE_LOCKED
# Classes of SQLSTATE: no connection, a transaction rolled back in favour of another, no room, a server that starts or
# stops.
_TRANSIENT_SQLSTATES = ("08", "40", "53", "55P03", "57P")


class DatabaseUnavailable(errors.DomainError):
    """The database can't answer now; the same request may succeed in a moment."""

    code = "database_unavailable"
    retry_seconds = 2  # sent in `Retry-After`

    def __init__(self) -> None:
        super().__init__(
            "The database is busy or away, so this was not done, or its end is not known. "
            "Send the same again in a moment, a write under the same key: it is done once."
        )


def is_transient(error: BaseException) -> bool:
    """Whether the error is temporary; a full disk or a missing table is not."""
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    cause = error.__cause__
    sqlite = getattr(cause, "sqlite_errorcode", None)
    if sqlite is not None:
        return (sqlite & 0xFF) in _TRANSIENT_SQLITE_ERRORS
    if cause is None or not type(cause).__module__.startswith("psycopg"):
        return False
    # Without a state it is psycopg's own error: no server, no free connection in the pool, a lost connection.
    state = getattr(cause, "sqlstate", None)
    return state is None or state.startswith(_TRANSIENT_SQLSTATES)
