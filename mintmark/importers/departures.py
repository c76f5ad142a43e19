"""What an export to another registry sends, whichever it is: the prompts of a namespace, their texts as templates of
`{{x}}`, and what was measured of them."""

import re
from collections.abc import Iterable

from django.db.models import QuerySet

from mintmark.accounts.models import Team
from mintmark.core import errors, kinds, placeholders
from mintmark.evidence.models import Event
from mintmark.registry import entitlements
from mintmark.registry.models import Prompt

from . import chats
from .registries import Tool

type Template = str | list[dict[str, str]]
_VARIABLE = re.compile(r"[A-Za-z_]\w*")


KEPT = "The team may not use it, so its text does not leave."
"""Why a text is not sent."""


class NothingToExport(errors.Refusal):
    """There is no prompt of what was named."""

    code = "not_found"


class Stopped(errors.Refusal):
    """The other registry can't be reached or refuses to go on; what it had taken stays there."""

    code = "export_stopped"

    def __init__(self, store: str, why: str) -> None:
        super().__init__(
            f"{store}: {why} What it took before that stays there; the same export again goes on from it."
        )


def prompts(*, namespace: str) -> list[Prompt]:
    """Every prompt of a namespace, line by line, the oldest first; withdrawn ones too. Raises `not_found`."""
    found = list(
        Prompt.objects.filter(namespace=namespace)
        .select_related("tombstone")
        .order_by("name", "revision")
    )
    if not found:
        raise NothingToExport(f"There is no prompt in the namespace {namespace[:100]!r}.")
    return found


def may_leave(*, team: Team, namespace: str) -> set[int]:
    """The ids of the prompts of a namespace whose text this team may use, and so hand on."""
    served = entitlements.served_to(team_ids={team.pk})
    return set(Prompt.objects.filter(served, namespace=namespace).values_list("pk", flat=True))


def line_of(prompt: Prompt, *, tool: Tool) -> str:
    """The name of its line there: what came from the tool has its own name again."""
    return prompt.name if prompt.namespace == tool.slug else prompt.line


def template(prompt: Prompt) -> Template:
    """The text with its variables as `{{x}}`; a chat as its messages."""
    text, end = "", 0
    for one in placeholders.standing(prompt.text):
        is_variable = one.name in prompt.variables and _VARIABLE.fullmatch(one.name)
        text += prompt.text[end : one.start]
        text += f"{{{{{one.name}}}}}" if is_variable else prompt.text[one.start : one.end]
        end = one.end
    text += prompt.text[end:]
    if chats.TAG not in prompt.tags:
        return text
    return [{"role": one.role, "content": one.content} for one in chats.messages_of(text)]


def outcomes(*, of: Iterable[int], tool: Tool) -> QuerySet[Event]:
    """What was measured of these prompts, in the order of the log; what came from the tool is not sent back to it."""
    events = Event.objects.filter(prompt__in=list(of), kind=kinds.Kind.OUTCOME)
    measured = events.filter(assistant__isnull=False, ritual__isnull=False)
    return (
        measured.exclude(batch__source=tool.source)
        .select_related("ritual", "assistant")
        .order_by("id")
    )
