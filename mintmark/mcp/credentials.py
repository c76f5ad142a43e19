"""Who asks: the assistant that holds a bearer key, looked up at every request so that a revoked key ends at once."""

from dataclasses import dataclass, field
from datetime import datetime

from mintmark.accounts import authentication
from mintmark.accounts.callers import Caller
from mintmark.common import errors
from mintmark.registry.models import Assistant


class AssistantNotAuthenticated(errors.DomainError):
    """No key, or one that is unknown, revoked or expired."""

    code = "not_authenticated"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyHolder:
    """An assistant with what its key allows; `secret` is that key, for a stream to look it up again."""

    caller: Caller
    assistant: Assistant
    secret: str = field(repr=False)


def authenticate(*, secret: str, now: datetime) -> KeyHolder:
    """The assistant whose live key this is; `NotAuthenticated`, or `Forbidden` for a key of a person."""
    caller = authentication.authenticate(secret=secret, now=now) if secret else None
    if caller is None:
        raise AssistantNotAuthenticated("This key is unknown, revoked or expired; issue a new one.")
    if not caller.is_assistant:
        raise errors.Forbidden(
            f"This key is {caller.principal.name}'s, a person's: over MCP assistants alone are served. "
            "Issue one for an assistant: mintmark key issue assistant:NAME."
        )
    assistant = Assistant.objects.select_related("team").get(principal=caller.principal)
    return KeyHolder(caller=caller, assistant=assistant, secret=secret)
