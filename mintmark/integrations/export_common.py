"""What an export to another registry sends, whichever it is: the prompts of a namespace, their texts as templates of
`{{x}}`, and what was measured of them."""

import re
from collections.abc import Iterable

from django.db.models import QuerySet

from mintmark.accounts.models import Team
from mintmark.common import errors, evidence_kinds
from mintmark.evidence.models import Event
from mintmark.registry import entitlements
from mintmark.registry.models import Prompt
from mintmark.textchecks import chat_format, placeholders

from .registry_import import ExternalRegistry

type ExportTemplate = str | list[dict[str, str]]
_VARIABLE = re.compile(r"[A-Za-z_][\w.-]*")


NOT_EXPORTABLE_REASON = "The team may not use it, so its text does not leave."
"""Why a text is not sent."""


class NothingToExport(errors.DomainError):
    """There is no prompt of what was named."""

    code = "not_found"


class ExportStopped(errors.DomainError):
    """The other registry can't be reached or refuses to go on; what it had taken stays there."""

    code = "export_stopped"

    def __init__(self, store: str, reason: str) -> None:
        super().__init__(
            f"{store}: {reason} What it took before that stays there; the same export again goes on from it."
        )


def list_prompts(*, namespace: str) -> list[Prompt]:
    """Every prompt of a namespace, line by line, the oldest first; withdrawn ones too. Raises `not_found`."""
    namespace_prompts = list(
        Prompt.objects.filter(namespace=namespace)
        .select_related("tombstone")
        .order_by("name", "revision")
    )
    if not namespace_prompts:
        raise NothingToExport(f"There is no prompt in the namespace {namespace[:100]!r}.")
    return namespace_prompts


def find_exportable_ids(*, team: Team, namespace: str) -> set[int]:
    """The ids of the prompts of a namespace whose text this team may use, and so hand on."""
    is_usable = entitlements.build_usable_q(team_ids={team.pk})
    return set(Prompt.objects.filter(is_usable, namespace=namespace).values_list("pk", flat=True))


def get_remote_name(prompt: Prompt, *, tool: ExternalRegistry) -> str:
    """The name of its line there: what came from the tool has its own name again."""
    return prompt.name if prompt.namespace == tool.slug else prompt.qualified_name


def export_template(prompt: Prompt) -> ExportTemplate:
    """The text with its variables as `{{x}}`; a chat as its messages."""
    text, end = "", 0
    for placeholder in placeholders.find_placeholders(prompt.text):
        is_variable = placeholder.name in prompt.variables and _VARIABLE.fullmatch(placeholder.name)
        text += prompt.text[end : placeholder.start]
        written = prompt.text[placeholder.start : placeholder.end]
        is_own_form = not is_variable or written.startswith("{{")
        text += written if is_own_form else f"{{{{{placeholder.name}}}}}"
        end = placeholder.end
    text += prompt.text[end:]
    if chat_format.TAG not in prompt.tags:
        return text
    return [
        {"role": message.role, "content": message.content}
        for message in chat_format.parse_chat(text)
    ]


def list_outcomes(*, prompt_ids: Iterable[int], tool: ExternalRegistry) -> QuerySet[Event]:
    """What was measured of these prompts, in the order of the log; what came from the tool is not sent back to it."""
    events = Event.objects.filter(
        prompt__in=list(prompt_ids), kind=evidence_kinds.EvidenceKind.OUTCOME
    )
    measured = events.filter(assistant__isnull=False, ritual__isnull=False)
    return (
        measured.exclude(batch__source=tool.source)
        .select_related("ritual", "assistant")
        .order_by("id")
    )
