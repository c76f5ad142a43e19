"""Other registries of prompts: versions and labels as revisions and labels here, what was scored there as outcomes.

A version keeps its number. A score is an outcome of the prompts that it is about, by the assistant that answered, in a
ritual for each name and kind of assessor: people and judges measure differently. All of it is one transaction.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import batched

from django.db import transaction

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Team
from mintmark.core import errors
from mintmark.evidence.models import Event
from mintmark.registry import assistants, labels, prompts, rituals
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.trust import intake

from . import chats, reports
from .multiprompt import TakenByAnotherTeam


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version of a prompt, as a text of this place."""

    name: str
    number: int
    text: str
    variables: Sequence[str]
    is_chat: bool
    message: str
    tags: tuple[str, ...]
    aliases: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """One assessment of a trace, for one of the prompts that the trace was linked to; `sent` is the mark that an export
    of Mintmark's left on it, if one did."""

    id: str
    name: str
    source: str
    prompt: str
    number: int
    assistant: str
    score: float
    at: datetime
    sent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """What another registry holds for us, what of it can't be used and why, and what was read, for a report. A prompt's
    versions stand together, the oldest first."""

    name: str
    versions: Sequence[Version]
    feedback: Sequence[Feedback]
    refused: Sequence[errors.Row]
    read: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """Whose registry it is: its name in plain words, and as it stands in namespaces, rituals and keys."""

    title: str
    slug: str

    @property
    def source(self) -> str:
        """Of the batches by which its evidence came in."""
        return f"import {self.slug}"


_MARKS_AT_ONCE = 500
SENT = "mintmark.event"
"""Under this name an export says of a score which event it is."""
MLFLOW = Tool(title="MLflow", slug="mlflow")
LANGFUSE = Tool(title="Langfuse", slug="langfuse")


def mark(event: Event) -> str:
    """An event as an export names it: its place in this log, and what it says, which another log has elsewhere."""
    return f"{event.pk}:{bytes(event.digest).hex()}"


def load(
    *,
    registry: Registry,
    tool: Tool,
    caller: Caller,
    now: datetime,
    namespace: str = "",
    team: str = "",
    is_open: bool = False,
    dry_run: bool = False,
    progress: reports.Progress = lambda done, total: None,
) -> reports.Report:
    """Bring in what `registry` holds. A second import of the same changes nothing; labels that moved there move here.
    A score that an export sent from this log is there already.

    `namespace` and `team` are the tool's own name where they are empty.

    Raises `name_taken` where a line or an assistant belongs to another team, `revision_taken` where a version here has
    another text: versions never change, so these are two registries under one namespace.
    """
    space = namespace or tool.slug
    refused = list(registry.refused)
    own = _own(registry.feedback)
    theirs = [one for one in registry.feedback if one.sent not in own]
    echoed = len(registry.feedback) - len(theirs)
    registry = replace(registry, feedback=theirs)
    with transaction.atomic():
        owner, _ = Team.objects.get_or_create(
            name=team or tool.slug, defaults={"title": f"Read from {tool.title}"}
        )
        _require_free(registry, tool=tool, namespace=space, team=owner)
        known = Prompt.objects.filter(namespace=space).count()
        stored = _register(
            registry.versions, namespace=space, caller=caller, team=owner, is_open=is_open,
            refused=refused, progress=progress,
        )  # fmt: skip
        registered = Prompt.objects.filter(namespace=space).count() - known
        moved = _label(
            registry.versions, tool=tool, stored=stored, caller=caller, now=now, refused=refused
        )
        claims = _claims(
            registry.feedback, tool=tool, stored=stored, caller=caller, team=owner, refused=refused
        )
        recorded, repeated = 0, echoed
        for start in range(0, len(claims), intake.MAX_BATCH):
            batch = claims[start : start + intake.MAX_BATCH]
            receipt = intake.record(caller=caller, claims=batch, source=tool.source, now=now)
            recorded, repeated = recorded + receipt.recorded, repeated + receipt.repeated
        if dry_run:
            transaction.set_rollback(True)
    would = "would be " if dry_run else ""
    return reports.Report(
        source=registry.name,
        dry_run=dry_run,
        read=registry.read,
        registered=registered,
        unchanged=len(stored) - registered,
        labels=moved,
        recorded=recorded,
        repeated=repeated,
        refused=refused,
        notes=[
            f"The namespace is {space}, the team {owner.name}.",
            *([f"{moved} labels {would}moved to where {tool.title} has them."] if moved else []),
        ],
    )


def _own(feedback: Sequence[Feedback]) -> set[str]:
    """The marks that name events of this log."""
    said = {
        int(number): one.sent
        for one in feedback
        if (number := one.sent.partition(":")[0]).isascii()
        and number.isdigit()
        and len(number) < 19
    }
    found: set[str] = set()
    for some in batched(said, _MARKS_AT_ONCE):
        found.update(mark(event) for event in Event.objects.filter(pk__in=some))
    return found


def _require_free(registry: Registry, *, tool: Tool, namespace: str, team: Team) -> None:
    lines = Prompt.objects.filter(
        namespace=namespace, name__in={one.name for one in registry.versions}
    ).exclude(team=team)
    if taken := lines.select_related("team").first():
        raise TakenByAnotherTeam(
            f"{taken.line} belongs to the team {taken.team.name!r}: import into that team, or into another namespace. "
            "Nothing was imported."
        )
    fleet = Assistant.objects.filter(name__in={_assistant(one, tool) for one in registry.feedback})
    if other := fleet.exclude(team=team).select_related("team").first():
        raise TakenByAnotherTeam(
            f"The assistant {other.name!r} belongs to the team {other.team.name!r}: import into that team. Nothing was "
            "imported."
        )


def _register(
    versions: Sequence[Version],
    *,
    namespace: str,
    caller: Caller,
    team: Team,
    is_open: bool,
    refused: list[errors.Row],
    progress: reports.Progress,
) -> dict[tuple[str, int], Prompt]:
    """The prompt of each version by name and number: a version derives from the one before it."""
    stored: dict[tuple[str, int], Prompt] = {}
    before: Prompt | None = None
    for n, version in enumerate(versions):
        if before is not None and before.name != version.name:
            before = None
        draft = prompts.Draft(
            namespace=namespace,
            name=version.name,
            revision=version.number,
            text=version.text,
            title=version.name[:200],
            preview=" ".join(version.text.split())[:200] if is_open else "",
            is_open=is_open,
            parent=before,
            mutation_note=version.message[:200] if before is not None else "",
            tags=(*((chats.TAG,) if version.is_chat else ()), *version.tags),
            variables=version.variables,
        )
        if problems := prompts.problems(drafts=[draft]):
            for row in problems:
                refused.append(
                    _refusal(f"{version.name}, version {version.number}", len(refused), row)
                )
            continue
        before = prompts.register(draft=draft, author=caller.principal, team=team)
        stored[version.name, version.number] = before
        progress(n + 1, len(versions))
    return stored


def _label(
    versions: Sequence[Version],
    *,
    tool: Tool,
    stored: dict[tuple[str, int], Prompt],
    caller: Caller,
    now: datetime,
    refused: list[errors.Row],
) -> int:
    """How many labels were moved to where the aliases stand."""
    moved = 0
    for version in versions:
        prompt = stored.get((version.name, version.number))
        if prompt is None:
            continue
        for alias in version.aliases:
            try:
                move = labels.move(
                    namespace=prompt.namespace, name=prompt.name, label=alias, prompt=prompt,
                    actor=caller.principal, reason=f"as {tool.title} has it", now=now,
                )  # fmt: skip
            except labels.InvalidLabel as invalid:
                row = errors.Row(row=0, field="label", value=alias, message=invalid.message)
                refused.append(_refusal(f"{version.name}, label {alias}", len(refused), row))
                continue
            moved += move is not None
    return moved


def _claims(
    feedback: Sequence[Feedback],
    *,
    tool: Tool,
    stored: dict[tuple[str, int], Prompt],
    caller: Caller,
    team: Team,
    refused: list[errors.Row],
) -> list[intake.Claim]:
    keys = {_key(one, tool) for one in feedback}
    kept = Event.objects.filter(actor=caller.principal, key__in=keys)
    said_before = dict(kept.values_list("key", "score"))
    measured = {_ritual_name(one, tool): one for one in feedback}
    by_ritual = {name: _ritual(name, one, tool) for name, one in measured.items()}
    fleet = {
        name: assistants.register(
            name=name,
            owner=caller.principal,
            team=team,
            description=f"Named by traces of {tool.title}.",
        )
        for name in sorted({_assistant(one, tool) for one in feedback})
    }
    claims = []
    for one in feedback:
        prompt = stored.get((one.prompt, one.number))
        place = f"{one.id}, {one.name}"
        if prompt is None:
            value = f"{one.prompt}, version {one.number}"
            row = errors.Row(
                row=0, field="prompt", value=value, message="This version did not come in."
            )
            refused.append(_refusal(place, len(refused), row))
        elif said_before.get(_key(one, tool), one.score) != one.score:
            message = (
                f"It was recorded as {said_before[_key(one, tool)]}, and evidence never changes."
            )
            row = errors.Row(row=0, field="value", value=one.score, message=message)
            refused.append(_refusal(place, len(refused), row))
        else:
            claims.append(
                intake.Claim(
                    kind="outcome",
                    prompt=prompt.pk,
                    assistant=fleet[_assistant(one, tool)].pk,
                    ritual=by_ritual[_ritual_name(one, tool)].pk,
                    score=one.score,
                    note=f"scored in {tool.title}",
                    key=_key(one, tool),
                    occurred_at=one.at,
                )
            )  # fmt: skip
    return claims


def _ritual(name: str, one: Feedback, tool: Tool) -> Ritual:
    task = re.sub(r"[^\w]+", "-", one.name.casefold()).strip("-")[:80] or "feedback"
    return rituals.register(
        name=name,
        tag=f"task:{task}",
        description=f"Scores called {one.name[:100]!r} in {tool.title}, by source: {one.source}.",
        definition={tool.slug: {"name": one.name[:200], "source": one.source}},
    )


def _ritual_name(one: Feedback, tool: Tool) -> str:
    plain = " ".join(re.sub(r"[^\w .:/()&,'+-]", " ", one.name).split())[:120].strip()
    return f"{tool.slug}/{plain or 'feedback'} ({one.source})"


def _assistant(one: Feedback, tool: Tool) -> str:
    plain = " ".join(re.sub(r"[^\w .:/+-]", "-", one.assistant).split())[:180].strip()
    return (
        plain if re.match(r"\w", plain) and not plain.isdigit() else f"{tool.slug} {plain}".strip()
    )


def _key(one: Feedback, tool: Tool) -> str:
    return f"{tool.slug}:{one.id[:60]}:{one.prompt[:100]}:{one.number}"


def _refusal(place: str, number: int, row: errors.Row) -> errors.Row:
    return reports.Place(
        row=number, field=row["field"], value=row["value"], message=row["message"], file=place
    )
