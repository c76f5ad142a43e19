"""The Python client: prompts by name, and what they achieved, over HTTP; without Django (docs/guides/python.md).

with client.Client("https://mintmark.example", key=KEY, assistant="scout") as mintmark:
    with mintmark.use("mint/summary@production", ritual="summaries") as use:
        answer = ask_my_model(use.render(text=incident))
        use.report(score=judged(answer))
"""

from .asynchronous import AsyncClient
from .choices import Choice
from .clients import Client
from .outbox import Counts
from .prompts import MissingVariables, Prompt
from .uses import Use
from .wire import MintmarkError, Refused, Unavailable

__all__ = [
    "AsyncClient",
    "Choice",
    "Client",
    "Counts",
    "MintmarkError",
    "MissingVariables",
    "Prompt",
    "Refused",
    "Unavailable",
    "Use",
]
