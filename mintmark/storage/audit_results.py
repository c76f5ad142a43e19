"""The results of an audit: each invariant with how much was checked, and the first violations."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import connection

MAX_NAMED = 10
"""How many violations of an invariant are listed."""


@dataclass(frozen=True, kw_only=True)
class InvariantResult:
    """One invariant: its description, the number of things checked, and the first violations (none: it holds)."""

    code: str
    description: str
    checked: int
    broken: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not self.broken


def take_first(broken: Iterable[str]) -> tuple[str, ...]:
    """The first few violations; the rest is not computed."""
    return tuple(itertools.islice(broken, MAX_NAMED))


def check_append_only(tables: Sequence[str], *, code: str, description: str) -> InvariantResult:
    """Whether the append-only triggers exist on these tables and are enabled."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT tgname FROM pg_trigger WHERE tgenabled <> 'D'")
        else:
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        existing = {name for (name,) in cursor.fetchall()}
    events = ["update", "delete"]
    if connection.vendor == "postgresql":
        events.append("truncate")
    expected = [f"{table}_no_{event}" for table in tables for event in events]
    return InvariantResult(
        code=code,
        description=description,
        checked=len(expected),
        broken=take_first(
            f"trigger {name} is missing or disabled" for name in expected if name not in existing
        ),
    )
