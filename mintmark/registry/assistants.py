"""Assistants: register, find, store memories."""

import re

from django.db import transaction
from django.db.models import QuerySet

from mintmark.accounts import principals
from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Principal, Role, Team
from mintmark.common import errors

from .models import Assistant, MemoryEntry

_NAME = re.compile(r"[\w][\w .:/+-]{0,199}")


class InvalidAssistant(errors.DomainError):
    """An assistant can't be registered with these values."""

    code = "invalid_assistant"


def register(
    *, name: str, owner: Principal, team: Team, model: str = "", description: str = ""
) -> Assistant:
    """Register an assistant with a principal of its own; the same name in the same team again returns it."""
    if not _NAME.fullmatch(name) or name != name.strip() or name.isdigit():
        raise InvalidAssistant(
            f"The name {name[:200]!r}: use 1 to 200 letters, digits, spaces or . : / + - _, "
            "and not digits alone, which would look like an id."
        )
    existing = Assistant.objects.filter(name=name).first()
    if existing is not None:
        if existing.team_id == team.pk:
            return existing
        raise InvalidAssistant(
            f"The name {name!r} belongs to an assistant of another team; choose another."
        )
    if principals.is_name_of_person(name=name):
        raise InvalidAssistant(
            f"The name {name!r} belongs to a person, and gifts to it would be ambiguous; choose another."
        )
    with transaction.atomic():
        principal = principals.create_for_assistant(name=name, team=team)
        return Assistant.objects.create(
            name=name,
            principal=principal,
            owner=owner,
            team=team,
            model=model,
            description=description,
        )


def resolve(*, reference: str) -> Assistant:
    """The assistant with this id or name."""
    assistant = Assistant.objects.filter(name=reference).first()
    if assistant is None and reference.isascii() and reference.isdigit() and len(reference) < 19:
        assistant = Assistant.objects.filter(pk=int(reference)).first()
    if assistant is None:
        raise errors.NotFound(f"No assistant {reference[:200]!r}: give its id or its name.")
    return assistant


def list_own(*, caller: Caller) -> QuerySet[Assistant]:
    """The assistants of the caller's teams."""
    return Assistant.objects.filter(team__in=caller.team_ids)


def require_operator(*, caller: Caller, team_id: int) -> None:
    """Raise `Forbidden` unless the caller is an operator of this team."""
    if not caller.has_role(Role.OPERATOR, team_id=team_id):
        raise errors.Forbidden("This takes the role 'operator' in the assistant's team.")


def store_memory(*, assistant: Assistant, key: str, text: str) -> MemoryEntry:
    """Store `text` under `key` in an assistant's memory, replacing an earlier text."""
    entry, _ = MemoryEntry.objects.update_or_create(
        assistant=assistant, key=key, defaults={"text": text}
    )
    return entry
