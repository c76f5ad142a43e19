"""The Python client: prompts by name, and what they achieved, over HTTP; without Django (docs/guides/python.md).

with client.Client("https://mintmark.example", key=KEY, assistant="scout") as mintmark:
    with mintmark.use("mint/summary@production", ritual="summaries") as use:
        answer = ask_my_model(use.render(text=incident))
        use.report(score=judged(answer))
"""

from .async_client import AsyncClient
from .event_queue import Counts
from .prompts import MissingVariables, Prompt
from .selection import Selection
from .sync_client import Client
from .transport import MintmarkError, Refused, Unavailable
from .use import Use

__all__ = [
    "AsyncClient",
    "Client",
    "Counts",
    "MintmarkError",
    "MissingVariables",
    "Prompt",
    "Refused",
    "Selection",
    "Unavailable",
    "Use",
]
