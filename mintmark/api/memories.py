"""`/assistants/{id}/memory`: what an assistant remembers, which rituals cite."""

from datetime import datetime
from typing import TypedDict

from mintmark.registry import memories
from mintmark.registry.models import Assistant, MemoryEntry

from . import get_or_404, pagination
from .authentication import AuthenticatedRequest
from .endpoints import Routes
from .request_body import Id, RequestBody

routes = Routes(tag="memories")


class MemoryOut(TypedDict):
    """A text that an assistant remembers under a key."""

    key: str
    text: str
    created_at: datetime


class MemoryPage(TypedDict):
    items: list[MemoryOut]
    next_cursor: str | None


class NewMemory(RequestBody):
    """What to remember, in the place of what stands under the key."""

    text: str


@routes.get(
    "/assistants/{int:assistant_id}/memory",
    scope="read",
    response_schema=MemoryPage,
    error_statuses=(400,),
)
def list_memories(
    request: AuthenticatedRequest,
    assistant_id: Id,
    limit: pagination.Limit,
    cursor: pagination.Cursor,
) -> MemoryPage:
    """List what an assistant remembers, by key: to itself and its team."""
    rows = memories.list_memories(caller=request.auth, assistant=_get_assistant(assistant_id))
    after = pagination.decode_cursor(cursor, key_types=("",))
    if after is not None:
        rows = rows.filter(key__gt=after[0])
    page, next_cursor = pagination.slice_page(
        list(rows[: limit + 1]), limit=limit, key=lambda row: (row.key,)
    )
    return {"items": [_serialize(row) for row in page], "next_cursor": next_cursor}


@routes.put(
    "/assistants/{int:assistant_id}/memory/{key}",
    scope="registry",
    body=NewMemory,
    response_schema=MemoryOut,
)
def store_memory(
    request: AuthenticatedRequest, assistant_id: Id, key: str, body: NewMemory
) -> MemoryOut:
    """Store a text in an assistant's memory under a key.

    It takes the role operator in its team, or the assistant itself.
    """
    row = memories.store(
        caller=request.auth, assistant=_get_assistant(assistant_id), memory_key=key, text=body.text
    )
    return _serialize(row)


@routes.delete("/assistants/{int:assistant_id}/memory/{key}", scope="registry")
def forget_memory(request: AuthenticatedRequest, assistant_id: Id, key: str) -> None:
    """Delete a key from an assistant's memory. Evidence that was measured with it stays."""
    memories.delete(caller=request.auth, assistant=_get_assistant(assistant_id), memory_key=key)


def _get_assistant(assistant_id: int) -> Assistant:
    return get_or_404.get_by_id(Assistant.objects.all(), pk=assistant_id)


def _serialize(row: MemoryEntry) -> MemoryOut:
    return {"key": row.key, "text": row.text, "created_at": row.created_at}
