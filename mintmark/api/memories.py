"""`/assistants/{id}/memory`: what an assistant remembers, which rituals cite."""

from datetime import datetime
from typing import TypedDict

from mintmark.registry import memories
from mintmark.registry.models import Assistant, MemoryEntry

from . import lookups, paging
from .bodies import Body, Id
from .credentials import Request
from .routes import Routes

routes = Routes(tag="memories")


class MemoryShape(TypedDict):
    """A text that an assistant remembers under a key."""

    key: str
    text: str
    created_at: datetime


class MemoryPage(TypedDict):
    items: list[MemoryShape]
    next_cursor: str | None


class NewMemory(Body):
    """What to remember, in the place of what stands under the key."""

    text: str


@routes.get(
    "/assistants/{int:assistant_id}/memory", scope="read", answer=MemoryPage, refuses=(400,)
)
def listed(
    request: Request, assistant_id: Id, limit: paging.Limit, cursor: paging.Cursor
) -> MemoryPage:
    """List what an assistant remembers, by key: to itself and its team."""
    rows = memories.of(caller=request.auth, assistant=_assistant(assistant_id))
    after = paging.read(cursor, like=("",))
    if after is not None:
        rows = rows.filter(key__gt=after[0])
    page, following = paging.cut(list(rows[: limit + 1]), limit=limit, key=lambda row: (row.key,))
    return {"items": [_shape(row) for row in page], "next_cursor": following}


@routes.put(
    "/assistants/{int:assistant_id}/memory/{key}",
    scope="registry",
    body=NewMemory,
    answer=MemoryShape,
)
def kept(request: Request, assistant_id: Id, key: str, body: NewMemory) -> MemoryShape:
    """Let an assistant remember a text under a key.

    It takes the role operator in its team, or the assistant itself.
    """
    row = memories.keep(
        caller=request.auth, assistant=_assistant(assistant_id), key=key, text=body.text
    )
    return _shape(row)


@routes.delete("/assistants/{int:assistant_id}/memory/{key}", scope="registry")
def forgotten(request: Request, assistant_id: Id, key: str) -> None:
    """Let an assistant forget what stands under a key. What was measured with it stays measured."""
    memories.forget(caller=request.auth, assistant=_assistant(assistant_id), key=key)


def _assistant(assistant_id: int) -> Assistant:
    return lookups.by_id(Assistant.objects.all(), pk=assistant_id)


def _shape(row: MemoryEntry) -> MemoryShape:
    return {"key": row.key, "text": row.text, "created_at": row.created_at}
