"""Other registries of prompts: versions and labels as revisions and labels here, what was scored there as outcomes.

A version keeps its number. A score is an outcome of the prompts that it is about, by the assistant that answered, in a
ritual for each name and kind of assessor: people and judges measure differently. All of it is one transaction.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import batched

from django.db import transaction

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Team
from mintmark.common import errors
from mintmark.evidence.models import Event
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.registry import assistants, labels, prompts, rituals
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.textchecks import chat_format
from mintmark.trust import intake

from . import import_report, registration, registry_gone, row_ledger
from .multiprompt import TakenByAnotherTeam


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalVersion:
    """A version of a prompt, as a text of this place."""

    name: str
    number: int
    text: str
    variables: Sequence[str]
    is_chat: bool
    message: str
    tags: tuple[str, ...]
    aliases: Sequence[str]
    unkept_settings: Sequence[str] = ()
    """The names of what stands beside the text there and has no place here."""
    row: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalFeedback:
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
    export_marker: str = ""
    environment: str = ""
    row: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryContents:
    """What another registry holds for us, what of it can't be used and why, and what was read, for a report. A prompt's
    versions stand together, the oldest first."""

    name: str
    versions: Sequence[ExternalVersion]
    feedback: Sequence[ExternalFeedback]
    refused: Sequence[errors.FieldError]
    read: Mapping[str, int]
    unmapped: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()
    standing: registry_gone.Standing | None = None
    """None where nothing can be said of what is there no more."""
    ledger: row_ledger.RowLedger = field(default_factory=row_ledger.RowLedger)
    """What became of the rows that can't be used; the others are noted as they come in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalRegistry:
    """Whose registry it is: its name in plain words, and as it stands in namespaces, rituals and keys."""

    title: str
    slug: str

    @property
    def source(self) -> str:
        """Of the batches by which its evidence came in."""
        return f"import {self.slug}"


_MARKER_BATCH_SIZE = 500
EXPORT_MARKER_TAG = "mintmark.event"
"""Under this name an export says of a score which event it is."""
MLFLOW = ExternalRegistry(title="MLflow", slug="mlflow")
LANGFUSE = ExternalRegistry(title="Langfuse", slug="langfuse")


def build_export_marker(event: Event) -> str:
    """An event as an export names it: its place in this log, and what it says, which another log has elsewhere."""
    return f"{event.pk}:{bytes(event.digest).hex()}"


def load(
    *,
    registry: RegistryContents,
    tool: ExternalRegistry,
    caller: Caller,
    now: datetime,
    namespace: str = "",
    team: str = "",
    is_open: bool = False,
    dry_run: bool = False,
    progress: import_report.Progress = lambda completed, total: None,
) -> import_report.ImportReport:
    """Bring in what `registry` holds. A second import of the same changes nothing; labels that moved there move here.
    What is there no more is named, and its labels leave.
    A score that an export sent from this log is there already.

    `namespace` and `team` are the tool's own name where they are empty.

    A version that has another text here is refused by itself: versions never change, so it was made anew there, or it
    is another registry's under one namespace. Raises `name_taken` where a line or an assistant belongs to another team.
    """
    space = namespace or tool.slug
    refused_rows = list(registry.refused)
    ledger = registry.ledger.copy()
    own_markers = _find_own_markers(registry.feedback)
    external_feedback = [
        assessment
        for assessment in registry.feedback
        if assessment.export_marker not in own_markers
    ]
    for assessment in registry.feedback:
        if assessment.export_marker in own_markers:
            ledger.note(assessment.row, "sent by an export of this log")
    echoed = len(registry.feedback) - len(external_feedback)
    registry = replace(registry, feedback=external_feedback)
    with transaction.atomic():
        owner, _ = Team.objects.get_or_create(
            name=team or tool.slug, defaults={"title": f"Read from {tool.title}"}
        )
        _require_free(registry, tool=tool, namespace=space, team=owner)
        known = Prompt.objects.filter(namespace=space).count()
        stored = _register(
            registry.versions, namespace=space, caller=caller, team=owner, is_open=is_open,
            refused_rows=refused_rows, progress=progress, ledger=ledger,
        )  # fmt: skip
        registered = Prompt.objects.filter(namespace=space).count() - known
        moved_labels = _move_labels(
            registry.versions,
            tool=tool,
            stored=stored,
            caller=caller,
            now=now,
            refused_rows=refused_rows,
        )
        origin = registry_gone.Origin(
            title=tool.title, slug=tool.slug, source=tool.source, namespace=space,
            importer=caller.principal,
        )  # fmt: skip
        removed_labels, gone = (
            registry_gone.take_away(registry.standing, origin=origin, now=now)
            if registry.standing is not None
            else (0, [])
        )
        claims = _build_claims(
            registry.feedback,
            tool=tool,
            stored=stored,
            caller=caller,
            team=owner,
            namespace=space,
            refused_rows=refused_rows,
            ledger=ledger,
        )
        recorded, repeated = 0, echoed
        for start in range(0, len(claims), intake.MAX_BATCH):
            batch = claims[start : start + intake.MAX_BATCH]
            recording = SymbolicPromptTokenMarketplace().record_evidence(
                caller=caller, claims=batch, source=tool.source, now=now
            )
            recorded, repeated = recorded + recording.recorded, repeated + recording.repeated
        if dry_run:
            transaction.set_rollback(True)
    would = "would be " if dry_run else ""
    return import_report.ImportReport(
        source=registry.name,
        dry_run=dry_run,
        read=registry.read,
        registered=registered,
        unchanged=len(stored) - registered,
        labels=moved_labels + removed_labels,
        gone=gone,
        recorded=recorded,
        repeated=repeated,
        refused=refused_rows,
        unmapped=registry.unmapped,
        left_out=registry.left_out,
        rows=ledger.close(),
        notes=[
            f"The namespace is {space}, the team {owner.name}.",
            *(
                [f"{moved_labels} labels {would}moved to where {tool.title} has them."]
                if moved_labels
                else []
            ),
            *(
                [f"{removed_labels} labels {would}removed, as {tool.title} has them no more."]
                if removed_labels
                else []
            ),
            *_note_unkept_settings(registry.versions),
            *registry.notes,
        ],
    )


def _note_unkept_settings(versions: Sequence[ExternalVersion]) -> list[str]:
    """A note on each line of prompts that has settings beside its text."""
    names_by_prompt: dict[str, set[str]] = {}
    for version in versions:
        if version.unkept_settings:
            names_by_prompt.setdefault(version.name, set()).update(version.unkept_settings)
    return [
        f"Not kept of {name}: {', '.join(sorted(unkept))}."
        for name, unkept in sorted(names_by_prompt.items())
    ]


def _find_own_markers(feedback: Sequence[ExternalFeedback]) -> set[str]:
    """The marks that name events of this log."""
    marker_by_event = {
        int(number): assessment.export_marker
        for assessment in feedback
        if (number := assessment.export_marker.partition(":")[0]).isascii()
        and number.isdigit()
        and len(number) < 19
    }
    own_markers: set[str] = set()
    for batch in batched(marker_by_event, _MARKER_BATCH_SIZE):
        own_markers.update(
            build_export_marker(event) for event in Event.objects.filter(pk__in=batch)
        )
    return own_markers


def _require_free(
    registry: RegistryContents, *, tool: ExternalRegistry, namespace: str, team: Team
) -> None:
    conflicting_prompts = Prompt.objects.filter(
        namespace=namespace, name__in={version.name for version in registry.versions}
    ).exclude(team=team)
    if conflicting := conflicting_prompts.select_related("team").first():
        raise TakenByAnotherTeam(
            f"{conflicting.qualified_name} belongs to the team {conflicting.team.name!r}: import into that team, or "
            "into another namespace. Nothing was imported."
        )
    named_assistants = Assistant.objects.filter(
        name__in={_build_assistant_name(assessment, tool) for assessment in registry.feedback}
    )
    if conflicting_assistant := named_assistants.exclude(team=team).select_related("team").first():
        raise TakenByAnotherTeam(
            f"The assistant {conflicting_assistant.name!r} belongs to the team {conflicting_assistant.team.name!r}: "
            "import into that team. Nothing was imported."
        )


def _register(
    versions: Sequence[ExternalVersion],
    *,
    namespace: str,
    caller: Caller,
    team: Team,
    is_open: bool,
    refused_rows: list[errors.FieldError],
    progress: import_report.Progress,
    ledger: row_ledger.RowLedger,
) -> dict[tuple[str, int], Prompt]:
    """The prompt of each version by name and number: a version derives from the one before it."""
    stored: dict[tuple[str, int], Prompt] = {}
    previous: Prompt | None = None
    for n, version in enumerate(versions):
        if previous is not None and previous.name != version.name:
            previous = None
        draft = prompts.PromptDraft(
            namespace=namespace,
            name=version.name,
            revision=version.number,
            text=version.text,
            title=version.name[:200],
            preview=registration.build_preview(version.text) if is_open else "",
            is_open=is_open,
            parent=previous,
            mutation_note=version.message[:200] if previous is not None else "",
            tags=(*((chat_format.TAG,) if version.is_chat else ()), *version.tags),
            variables=version.variables,
        )
        if problems := prompts.find_problems(drafts=[draft]):
            ledger.note(version.row, row_ledger.Fate.REFUSED)
            for row in problems:
                refused_rows.append(
                    _build_refused_row(
                        f"{version.name}, version {version.number}", len(refused_rows), row
                    )
                )
            continue
        try:
            registered = prompts.register(draft=draft, author=caller.principal, team=team)
        except prompts.RevisionTaken as taken:
            # Versions never change: a prompt was made anew there, or it is another project's.
            row = errors.FieldError(
                row=0, field="version", value=version.number, message=taken.message
            )
            location = f"{version.name}, version {version.number}"
            refused_rows.append(_build_refused_row(location, len(refused_rows), row))
            ledger.note(version.row, row_ledger.Fate.REFUSED)
            continue
        previous = registered
        stored[version.name, version.number] = previous
        ledger.note(version.row, row_ledger.Fate.PROMPT)
        progress(n + 1, len(versions))
    return stored


def _move_labels(
    versions: Sequence[ExternalVersion],
    *,
    tool: ExternalRegistry,
    stored: dict[tuple[str, int], Prompt],
    caller: Caller,
    now: datetime,
    refused_rows: list[errors.FieldError],
) -> int:
    """How many labels were moved to where the aliases stand."""
    moved_count = 0
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
            except labels.InvalidLabel as error:
                row = errors.FieldError(row=0, field="label", value=alias, message=error.message)
                refused_rows.append(
                    _build_refused_row(f"{version.name}, label {alias}", len(refused_rows), row)
                )
                continue
            moved_count += move is not None
    return moved_count


def _build_claims(
    feedback: Sequence[ExternalFeedback],
    *,
    tool: ExternalRegistry,
    stored: dict[tuple[str, int], Prompt],
    caller: Caller,
    team: Team,
    namespace: str,
    refused_rows: list[errors.FieldError],
    ledger: row_ledger.RowLedger,
) -> list[intake.EvidenceClaim]:
    keys = _assign_keys(feedback, tool=tool, namespace=namespace, caller=caller)
    recorded_events = Event.objects.filter(actor=caller.principal, key__in=set(keys.values()))
    score_by_key = dict(recorded_events.values_list("key", "score"))
    measured = {_build_ritual_name(assessment, tool): assessment for assessment in feedback}
    by_ritual = {
        name: _register_ritual(name, assessment, tool, caller=caller)
        for name, assessment in measured.items()
    }
    assistants_by_name = {
        name: assistants.register(
            name=name,
            owner=caller.principal,
            team=team,
            description=f"Named by traces of {tool.title}.",
        )
        for name in sorted({_build_assistant_name(assessment, tool) for assessment in feedback})
    }
    claims = []
    for assessment in feedback:
        prompt = stored.get((assessment.prompt, assessment.number))
        location = f"{assessment.id}, {assessment.name}"
        ledger.note(assessment.row, row_ledger.Fate.EVIDENCE)
        if prompt is None:
            ledger.note(assessment.row, row_ledger.Fate.REFUSED)
            value = f"{assessment.prompt}, version {assessment.number}"
            row = errors.FieldError(
                row=0, field="prompt", value=value, message="This version did not come in."
            )
            refused_rows.append(_build_refused_row(location, len(refused_rows), row))
        elif (
            score_by_key.get(key := keys[assessment.row, assessment.id], assessment.score)
            != assessment.score
        ):
            ledger.note(assessment.row, row_ledger.Fate.REFUSED)
            message = f"It was recorded as {score_by_key[key]}, and evidence never changes."
            row = errors.FieldError(row=0, field="value", value=assessment.score, message=message)
            refused_rows.append(_build_refused_row(location, len(refused_rows), row))
        else:
            claims.append(
                intake.EvidenceClaim(
                    kind="outcome",
                    prompt=prompt.pk,
                    assistant=assistants_by_name[_build_assistant_name(assessment, tool)].pk,
                    ritual=by_ritual[_build_ritual_name(assessment, tool)].pk,
                    score=assessment.score,
                    note=f"scored in {tool.title}",
                    key=key,
                    occurred_at=assessment.at,
                )
            )  # fmt: skip
    return claims


def _register_ritual(
    name: str, assessment: ExternalFeedback, tool: ExternalRegistry, *, caller: Caller
) -> Ritual:
    task = re.sub(r"[^\w]+", "-", assessment.name.casefold()).strip("-")[:80] or "feedback"
    return rituals.register(
        name=name,
        tag=f"task:{task}",
        description=f"Scores called {assessment.name[:100]!r} in {tool.title}, by source: {assessment.source}.",
        definition={tool.slug: {"name": assessment.name[:200], "source": assessment.source}},
        caller=caller,
    )


def _build_ritual_name(assessment: ExternalFeedback, tool: ExternalRegistry) -> str:
    plain = " ".join(re.sub(r"[^\w .:/()&,'+-]", " ", assessment.name).split())[:120].strip()
    place = "" if assessment.environment in ("", "default") else f", {assessment.environment}"
    return f"{tool.slug}/{plain or 'feedback'} ({assessment.source}{place[:60]})"


def _build_assistant_name(assessment: ExternalFeedback, tool: ExternalRegistry) -> str:
    plain = " ".join(re.sub(r"[^\w .:/+-]", "-", assessment.assistant).split())[:180].strip()
    return (
        plain if re.match(r"\w", plain) and not plain.isdigit() else f"{tool.slug} {plain}".strip()
    )


def _assign_keys(
    feedback: Sequence[ExternalFeedback], *, tool: ExternalRegistry, namespace: str, caller: Caller
) -> dict[tuple[str, str], str]:
    """The key of each assessment by its row and id. Two projects may have the same ids, each in a namespace of its
    own; what was recorded of a namespace before keys said so keeps its key."""
    plain_keys = {(entry.row, entry.id): _build_key(entry, tool) for entry in feedback}
    if namespace == tool.slug:
        return plain_keys
    recorded = set(
        Event.objects.filter(
            actor=caller.principal, key__in=set(plain_keys.values()), prompt__namespace=namespace
        ).values_list("key", flat=True)
    )
    mark = registry_gone.build_namespace_mark(namespace)
    return {at: key if key in recorded else key + mark for at, key in plain_keys.items()}


def _build_key(assessment: ExternalFeedback, tool: ExternalRegistry) -> str:
    return f"{tool.slug}:{registry_gone.shorten_id(assessment.id)}:{assessment.prompt[:100]}:{assessment.number}"


def _build_refused_row(location: str, number: int, row: errors.FieldError) -> errors.FieldError:
    return import_report.SourceFieldError(
        row=number, field=row["field"], value=row["value"], message=row["message"], file=location
    )
