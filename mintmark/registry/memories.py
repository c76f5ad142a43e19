"""An assistant's memory: entries stored by itself or its operators, visible to its team only."""

from django.db.models import QuerySet

from mintmark.accounts.callers import Caller
from mintmark.common import errors

from . import assistants
from .models import Assistant, MemoryEntry

MAX_KEY_LENGTH = 200
MAX_TEXT_LENGTH = 100_000
MAX_ENTRIES = 10_000
"""The most entries of one assistant."""


class InvalidMemory(errors.DomainError):
    """A memory can't be stored: its key or text is invalid, or the assistant has too many entries already."""

    code = "invalid_memory"


def may_read(*, caller: Caller, assistant: Assistant) -> bool:
    """Whether the caller may read an assistant's memory: itself, its team, an admin."""
    return caller.is_admin or assistant.team_id in caller.team_ids


def require_may_read(*, caller: Caller, assistant: Assistant) -> None:
    """Raise `Forbidden` unless the caller may read an assistant's memory."""
    if not may_read(caller=caller, assistant=assistant):
        raise errors.Forbidden(f"What {assistant} remembers is for itself and its team.")


def list_memories(*, caller: Caller, assistant: Assistant) -> QuerySet[MemoryEntry]:
    """The entries of an assistant's memory, by key."""
    require_may_read(caller=caller, assistant=assistant)
    return MemoryEntry.objects.filter(assistant=assistant).order_by("key")


def store(*, caller: Caller, assistant: Assistant, memory_key: str, text: str) -> MemoryEntry:
    """Store a text under a key, replacing an earlier one. Rituals cite memories by key; earlier measurements are kept.

    The caller must be an operator of the assistant's team, or the assistant itself. Raises `InvalidMemory`.
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
    """Delete the entry under a key. Returns whether there was one. Needs the same permission as `store`."""
    _require_may_write(caller, assistant)
    return bool(MemoryEntry.objects.filter(assistant=assistant, key=memory_key).delete()[0])


def _require_may_write(caller: Caller, assistant: Assistant) -> None:
    caller.require_scope("registry")
    if caller.principal.pk != assistant.principal_id:
        assistants.require_operator(caller=caller, team_id=assistant.team_id)
