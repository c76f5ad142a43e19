"""What an assistant remembers: said by itself or by those who operate it, seen by its team alone."""

from django.db.models import QuerySet

from mintmark.accounts.callers import Caller
from mintmark.core import errors

from . import assistants
from .models import Assistant, MemoryEntry

LONGEST_KEY = 200
LONGEST_TEXT = 100_000
MOST_ENTRIES = 10_000
"""Of one assistant."""


class InvalidMemory(errors.Refusal):
    """A memory can't be kept: its key or its text does not fit, or the assistant remembers too much already."""

    code = "invalid_memory"


def may_read(*, caller: Caller, assistant: Assistant) -> bool:
    """Whether the caller may read what an assistant remembers: itself, its team, an admin."""
    return caller.is_admin or assistant.team_id in caller.team_ids


def require_may_read(*, caller: Caller, assistant: Assistant) -> None:
    """Refuse unless the caller may read what an assistant remembers."""
    if not may_read(caller=caller, assistant=assistant):
        raise errors.Forbidden(f"What {assistant} remembers is for itself and its team.")


def of(*, caller: Caller, assistant: Assistant) -> QuerySet[MemoryEntry]:
    """What an assistant remembers, by key."""
    require_may_read(caller=caller, assistant=assistant)
    return MemoryEntry.objects.filter(assistant=assistant).order_by("key")


def keep(*, caller: Caller, assistant: Assistant, key: str, text: str) -> MemoryEntry:
    """Keep a text under a key, in the place of what was there. Rituals cite memories by key; what was measured before
    stays measured.

    It takes an operator of the assistant's team, or the assistant itself. Raises `InvalidMemory`.
    """
    _require_may_write(caller, assistant)
    if not 1 <= len(key) <= LONGEST_KEY or not key.isprintable() or key != key.strip():
        raise InvalidMemory(
            f"The key {key[:60]!r}: use 1 to {LONGEST_KEY} printable characters, none of them a space at an end."
        )
    if not text.strip() or len(text) > LONGEST_TEXT or "\0" in text:
        raise InvalidMemory(
            f"A memory is a text of 1 to {LONGEST_TEXT:,} characters without U+0000; this one has {len(text):,}."
        )
    there = MemoryEntry.objects.filter(assistant=assistant)
    if there.count() >= MOST_ENTRIES and not there.filter(key=key).exists():
        raise InvalidMemory(f"{assistant} remembers {MOST_ENTRIES:,} things: forget some first.")
    return assistants.remember(assistant=assistant, key=key, text=text)


def forget(*, caller: Caller, assistant: Assistant, key: str) -> bool:
    """Forget what stands under a key; whether there was anything. Who may keep may forget."""
    _require_may_write(caller, assistant)
    return bool(MemoryEntry.objects.filter(assistant=assistant, key=key).delete()[0])


def _require_may_write(caller: Caller, assistant: Assistant) -> None:
    caller.require_scope("registry")
    if caller.principal.pk != assistant.principal_id:
        assistants.require_operator(caller=caller, team_id=assistant.team_id)
