"""What an assistant remembers: said by itself or by those who operate it, seen by its team alone."""

from django.db.models import QuerySet

from mintmark.accounts.callers import Caller
from mintmark.common import errors

from . import assistants
from .models import Assistant, MemoryEntry

MAX_KEY_LENGTH = 200
MAX_TEXT_LENGTH = 100_000
MAX_ENTRIES = 10_000
"""Of one assistant."""


class InvalidMemory(errors.DomainError):
    """A memory can't be kept: its key or its text does not fit, or the assistant remembers too much already."""

    code = "invalid_memory"


def may_read(*, caller: Caller, assistant: Assistant) -> bool:
    """Whether the caller may read what an assistant remembers: itself, its team, an admin."""
    return caller.is_admin or assistant.team_id in caller.team_ids


def require_may_read(*, caller: Caller, assistant: Assistant) -> None:
    """Refuse unless the caller may read what an assistant remembers."""
    if not may_read(caller=caller, assistant=assistant):
        raise errors.Forbidden(f"What {assistant} remembers is for itself and its team.")


def list_memories(*, caller: Caller, assistant: Assistant) -> QuerySet[MemoryEntry]:
    """What an assistant remembers, by key."""
    require_may_read(caller=caller, assistant=assistant)
    return MemoryEntry.objects.filter(assistant=assistant).order_by("key")


def store(*, caller: Caller, assistant: Assistant, memory_key: str, text: str) -> MemoryEntry:
    """Keep a text under a key, in the place of what was there. Rituals cite memories by key; what was measured before
    stays measured.

    It takes an operator of the assistant's team, or the assistant itself. Raises `InvalidMemory`.
    """
    _require_may_write(caller, assistant)
    if (
        not 1 <= len(memory_key) <= MAX_KEY_LENGTH
        or not memory_key.isprintable()
        or memory_key != memory_key.strip()
    ):
        raise InvalidMemory(
            f"The key {memory_key[:60]!r}: use 1 to {MAX_KEY_LENGTH} printable characters, none of them a space at an "
            "end."
        )
    if not text.strip() or len(text) > MAX_TEXT_LENGTH or "\0" in text:
        raise InvalidMemory(
            f"A memory is a text of 1 to {MAX_TEXT_LENGTH:,} characters without U+0000; this one has {len(text):,}."
        )
    entries = MemoryEntry.objects.filter(assistant=assistant)
    if entries.count() >= MAX_ENTRIES and not entries.filter(key=memory_key).exists():
        raise InvalidMemory(f"{assistant} remembers {MAX_ENTRIES:,} things: forget some first.")
    return assistants.store_memory(assistant=assistant, key=memory_key, text=text)


def delete(*, caller: Caller, assistant: Assistant, memory_key: str) -> bool:
    """Forget what stands under a key; whether there was anything. Who may keep may forget."""
    _require_may_write(caller, assistant)
    return bool(MemoryEntry.objects.filter(assistant=assistant, key=memory_key).delete()[0])


def _require_may_write(caller: Caller, assistant: Assistant) -> None:
    caller.require_scope("registry")
    if caller.principal.pk != assistant.principal_id:
        assistants.require_operator(caller=caller, team_id=assistant.team_id)
