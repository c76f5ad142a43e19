"""What another registry had at an earlier import and has no more: labels leave here too, the rest is named.

A prompt stays, since somebody may use it, and so does evidence, which never changes: a report says so row by row.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from mintmark.accounts.models import Principal
from mintmark.common import errors
from mintmark.evidence.models import Event
from mintmark.registry import labels
from mintmark.registry.models import Label, LabelMove, Prompt

from . import import_report

_MAX_ID_LENGTH = 60


@dataclass(slots=True, kw_only=True)
class Standing:
    """What stands in a registry now, whether or not it can come in: versions by name and number, the version that
    each label of a name is at, and the ids of assessments, None where only some of them were asked for."""

    versions: set[tuple[str, int]] = field(default_factory=set)
    labels: dict[tuple[str, str], int] = field(default_factory=dict)
    assessments: set[str] | None = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Whose registry it is, and where what came from it is kept here."""

    title: str
    slug: str
    source: str
    namespace: str
    importer: Principal

    @property
    def label_reason(self) -> str:
        """Beside a label that was moved by an import."""
        return f"as {self.title} has it"


def take_away(
    standing: Standing, *, origin: Origin, now: datetime
) -> tuple[int, list[errors.FieldError]]:
    """Remove the labels that an import put here and that stand there no more; a row for all that is gone. Labels that
    moved there have been moved here before."""
    rows: list[errors.FieldError] = []

    def add(location: str, name: str, value: object, message: str) -> None:
        rows.append(
            import_report.SourceFieldError(
                row=len(rows), field=name, value=value, message=message, file=location
            )
        )

    removed = 0
    names = {name for name, _ in standing.versions}
    for label in _iter_gone_labels(standing, origin=origin):
        location = f"{label.prompt.reference}, label {label.label}"
        if (number := standing.labels.get((label.name, label.label))) is not None:
            message = f"In {origin.title} it is at version {number}, which did not come in; here it stays."
            add(location, "label", label.label, message)
            continue
        if label.name not in names:
            message = f"Its prompt is no more in {origin.title}; here the label stays on it."
            add(location, "label", label.label, message)
            continue
        labels.move(
            namespace=label.namespace, name=label.name, label=label.label, prompt=None,
            actor=origin.importer, reason=f"taken away in {origin.title}", now=now,
        )  # fmt: skip
        removed += 1
        add(location, "label", label.label, f"It was taken away in {origin.title}, and so here.")
    for prompt in _iter_gone_prompts(standing, origin=origin):
        message = f"It is not in {origin.title}; here it stays. Withdraw it if nobody is to use it."
        add(prompt.reference, "version", prompt.revision, message)
    for event in _iter_gone_events(standing, origin=origin):
        message = (
            f"The score was withdrawn or replaced in {origin.title}; "
            f"evidence never changes, so event {event.pk} stays."
        )
        add(f"{event.prompt.reference}, {event.ritual}", "score", event.score, message)
    return removed, rows


def _iter_gone_labels(standing: Standing, *, origin: Origin) -> Iterator[Label]:
    here = Label.objects.filter(namespace=origin.namespace).select_related("prompt")
    for label in here.order_by("name", "label"):
        if standing.labels.get((label.name, label.label)) == label.prompt.revision:
            continue
        moves = LabelMove.objects.filter(
            namespace=label.namespace, name=label.name, label=label.label
        )
        last = moves.order_by("-id").first()
        if last is not None and last.reason == origin.label_reason:
            yield label


def _iter_gone_prompts(standing: Standing, *, origin: Origin) -> Iterator[Prompt]:
    here = Prompt.objects.filter(
        namespace=origin.namespace, author=origin.importer, tombstone__isnull=True
    )
    for prompt in here.defer("text").order_by("name", "revision"):
        if (prompt.name, prompt.revision) not in standing.versions:
            yield prompt


def _iter_gone_events(standing: Standing, *, origin: Origin) -> Iterator[Event]:
    if standing.assessments is None:
        return
    ids = {shorten_id(assessment) for assessment in standing.assessments}
    events = Event.objects.filter(
        batch__source=origin.source, actor=origin.importer, prompt__namespace=origin.namespace
    )
    for event in events.select_related("prompt", "ritual").order_by("pk"):
        about = f":{event.prompt.name[:100]}:{event.prompt.revision}"
        plain_key = event.key.removesuffix(build_namespace_mark(origin.namespace))
        key = plain_key.removeprefix(f"{origin.slug}:").removesuffix(about)
        if key not in ids:
            yield event


def build_namespace_mark(namespace: str) -> str:
    """Behind the keys of a namespace that is not the tool's own."""
    return f"@{hashlib.sha256(namespace.encode()).hexdigest()[:12]}"


def shorten_id(text: str) -> str:
    """An id of at most 60 characters: a longer one keeps its beginning, and a digest tells it from others."""
    if len(text) <= _MAX_ID_LENGTH:
        return text
    return f"{text[:27]}#{hashlib.sha256(text.encode()).hexdigest()[:32]}"
