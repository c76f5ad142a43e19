"""Forks: a changed text of one's own, with what it owes to whom."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role, Team
from mintmark.common import errors
from mintmark.registry import assistants, entitlements, prompts
from mintmark.registry.models import Assistant, Prompt

from . import lineage
from .lineage import LicenceForbids
from .models import RoyaltyTerm

_CHANGE_PATTERN = re.compile(r"@[a-z][a-z0-9-]{0,40}[+-]?")
_MAX_CHANGES = 8
_MAX_MATCHED_LINES = 4_000


class InvalidFork(errors.DomainError):
    """A fork can't be made as asked; nothing was registered."""

    code = "invalid_fork"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkDraft:
    """A changed text about to be registered. `changes` say what was changed, each as `@tone-shift` or `@clarity+`;
    `licence` empty takes over the parent's."""

    namespace: str
    name: str
    text: str
    changes: Sequence[str]
    title: str = ""
    preview: str = ""
    tags: Sequence[str] | None = None
    licence: str = ""
    forked_by: Assistant | None = None
    allow_hidden_unicode: bool = field(default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffLine:
    """A line of a diff: `kind` is ' ' (kept), '-' (only in the parent), '+' (only in the child) or '@' (a gap)."""

    kind: str
    text: str


def fork(*, caller: Caller, parent: Prompt, draft: ForkDraft, team: Team, now: datetime) -> Prompt:
    """Register a changed text of another (or one's own) prompt as one's team's, and freeze what its sales will owe.

    It takes the role author in `team`, a parent whose text the caller may read, and a licence that allows it. The same
    text from the same parent, where it is the newest of its line, returns what is there. Raises `Forbidden`,
    `LicenceForbids`, `InvalidFork`, `prompts.InvalidPrompt`, `prompts.RevisionTaken`.
    """
    caller.require_scope("market")
    prompts.require_author(caller=caller, team=team)
    with transaction.atomic():
        entitlements.lock_to_add(prompts=[parent])
        if not prompts.may_read_text(caller=caller, prompt=parent):
            raise errors.Forbidden(
                f"Forking {parent.reference} takes its text, which is for its team and those who bought it."
            )
        if draft.forked_by is not None:
            assistants.require_operator(caller=caller, team_id=draft.forked_by.team_id)
        licence = _resolve_licence(parent=parent, draft=draft, team=team)
        _check_draft(parent, draft)
        existing = _find_existing_fork(parent=parent, draft=draft, team=team)
        if existing is not None:
            return existing
        child = prompts.register(
            draft=prompts.PromptDraft(
                namespace=draft.namespace,
                name=draft.name,
                text=draft.text,
                title=draft.title,
                preview=draft.preview,
                parent=parent,
                mutation_note=" ".join(draft.changes),
                forked_by=draft.forked_by,
                tags=draft.tags if draft.tags is not None else parent.tags,
                licence=licence,
                allow_hidden_unicode=draft.allow_hidden_unicode,
            ),
            author=caller.principal,
            team=team,
        )
        record_royalty_terms(child, now=now)
    return child


def record_royalty_terms(child: Prompt, *, now: datetime) -> None:
    """Keep what sales of a prompt just registered owe the seller of its parent, if that is another team's."""
    parent = child.parent
    if parent is None or parent.team_id == child.team_id:
        return
    listing = lineage.find_applicable_listing(prompt=parent, team_id=child.team_id)
    if listing is not None and listing.royalty_bp:
        RoyaltyTerm.objects.get_or_create(
            prompt=child,
            defaults={
                "ancestor": parent,
                "holder": listing.seller,
                "rate_bp": listing.royalty_bp,
                "agreed_at": now,
            },
        )


def list_fork_obstacles(*, caller: Caller, parent: Prompt, team: Team | None) -> list[str]:
    """What stands in the way of a fork that the caller would make for `team`, in words; nothing if it may be made."""
    reasons = []
    if hasattr(parent, "tombstone"):
        reasons.append(f"{parent.reference} was withdrawn: {parent.tombstone.reason}")
    if not prompts.may_read_text(caller=caller, prompt=parent):
        reasons.append(
            f"A fork starts from the text of {parent.reference}, which is for its team and those who bought it."
        )
    if team is None or not caller.has_role(Role.AUTHOR, team_id=team.pk):
        reasons.append(
            "Registering a fork takes the role 'author' in the team that it will belong to."
        )
    team_id = team.pk if team is not None else None
    if (
        lineage.is_third_party(prompt=parent, team_id=team_id)
        and not lineage.get_licence_permissions(prompt=parent, team_id=team_id).allows_forks
    ):
        licence = lineage.get_licence(prompt=parent, team_id=team_id)
        reasons.append(
            f"The licence of {parent.reference} ({licence}) does not allow changed texts to be passed on."
        )
    return reasons


def diff(*, before: str, after: str, context: int = 3) -> list[DiffLine]:
    """What was changed, line by line, with `context` kept lines around each change.

    What lies between the first and the last line that differ is matched up if it is short enough, else shown as
    replaced whole: matching takes time that grows with the square of it.
    """
    old, new = before.splitlines(), after.splitlines()
    if old == new:
        return []
    shorter = min(len(old), len(new))
    first = next((n for n in range(shorter) if old[n] != new[n]), shorter)
    remaining = shorter - first
    last = next((n for n in range(remaining) if old[-1 - n] != new[-1 - n]), remaining)
    if max(len(old), len(new)) - first - last > _MAX_MATCHED_LINES:
        return [
            DiffLine(kind="@", text=""),
            *[DiffLine(kind=" ", text=line) for line in old[max(0, first - context) : first]],
            *[DiffLine(kind="-", text=line) for line in old[first : len(old) - last]],
            *[DiffLine(kind="+", text=line) for line in new[first : len(new) - last]],
            *[DiffLine(kind=" ", text=line) for line in old[len(old) - last :][:context]],
        ]
    around = slice(max(0, first - context), None)
    past = max(0, last - context)
    diff_lines = difflib.unified_diff(
        old[around][: len(old[around]) - past], new[around][: len(new[around]) - past], lineterm="", n=context
    )  # fmt: skip
    result = [DiffLine(kind=line[0], text=line[1:]) for line in list(diff_lines)[2:]]
    return [DiffLine(kind="@", text="") if line.kind == "@" else line for line in result]


def _find_existing_fork(*, parent: Prompt, draft: ForkDraft, team: Team) -> Prompt | None:
    """The newest of the line, if it is this fork: asking twice for one fork registers one."""
    revisions = Prompt.objects.filter(namespace=draft.namespace, name=draft.name)
    newest = revisions.select_related("team").order_by("-revision").first()
    if newest is None or newest.team_id != team.pk or newest.parent_id != parent.pk:
        return None
    return newest if newest.text == draft.text else None


def _resolve_licence(*, parent: Prompt, draft: ForkDraft, team: Team) -> str:
    if not lineage.is_third_party(prompt=parent, team_id=team.pk):
        return draft.licence or parent.licence
    parent_licence = lineage.get_licence(prompt=parent, team_id=team.pk)
    permissions = lineage.get_licence_permissions(prompt=parent, team_id=team.pk)
    if not permissions.allows_forks:
        raise LicenceForbids(
            f"The licence of {parent.reference} ({parent_licence}) does not allow changed texts to be passed on."
        )
    if permissions.forks_keep_licence and draft.licence not in ("", parent_licence):
        raise LicenceForbids(
            f"Forks of {parent.reference} stay under its licence, {parent_licence}, not {draft.licence[:64]}."
        )
    return draft.licence or parent_licence


def _check_draft(parent: Prompt, draft: ForkDraft) -> None:
    if hasattr(parent, "tombstone"):
        raise InvalidFork(f"{parent.reference} was withdrawn: {parent.tombstone.reason}")
    if draft.text == parent.text:
        raise InvalidFork(f"The text is that of {parent.reference}, unchanged; change it first.")
    invalid_changes = [change for change in draft.changes if not _CHANGE_PATTERN.fullmatch(change)]
    if invalid_changes or not 1 <= len(draft.changes) <= _MAX_CHANGES:
        raise InvalidFork(
            f"The changes {invalid_changes or list(draft.changes)}: name 1 to {_MAX_CHANGES}, each such as "
            "'@tone-shift', '@clarity+' or '@length-'."
        )
