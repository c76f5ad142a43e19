"""Evidence and scores as tables for other tools: what every signed-in person may see on pages, and never a text."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from mintmark.common import evidence_kinds
from mintmark.common.provenance import Provenance
from mintmark.evidence.models import Event
from mintmark.projection.prompt_models import CurrentPromptScore, EventEffect, Policy
from mintmark.registry.models import Prompt

type ColumnKind = Literal["integer", "number", "text", "moment", "flag", "texts"]
type CellValue = int | float | str | datetime | bool | list[str] | None
type TableRow = Sequence[CellValue]

_PAGE_SIZE = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportTable:
    """A table to export: its columns by name with their kind, and its rows, read on demand. `version` changes whenever
    the rows change."""

    name: str
    version: str
    columns: Sequence[tuple[str, ColumnKind]]
    rows: Iterator[TableRow]


EVIDENCE_COLUMNS: Sequence[tuple[str, ColumnKind]] = (
    ("event", "integer"), ("occurred_at", "moment"), ("recorded_at", "moment"), ("kind", "text"), ("prompt", "text"),
    ("digest", "text"), ("assistant", "text"), ("ritual", "text"), ("task", "text"), ("score", "number"),
    ("runs", "integer"), ("expected", "number"), ("moved", "number"), ("recorded_by", "text"), ("counted", "flag"),
    ("provenance", "text"), ("tags", "texts"), ("note", "text"),
)  # fmt: skip
SCORE_COLUMNS: Sequence[tuple[str, ColumnKind]] = (
    ("prompt", "text"), ("digest", "text"), ("team", "text"), ("ritual", "text"), ("task", "text"),
    ("trust_score", "number"), ("trust_low", "number"), ("trust_high", "number"), ("ritual_effectiveness", "number"),
    ("assistant_approval", "number"), ("runs", "number"), ("events", "integer"), ("as_of_event", "integer"),
    ("as_of", "moment"),
)  # fmt: skip


def export_evidence(*, prompt: Prompt | None = None) -> ExportTable:
    """Every event of the log (or of one prompt), oldest first, with its expected value and its effect; both are empty
    until it is projected."""
    events = Event.objects.filter(prompt=prompt) if prompt is not None else Event.objects.all()
    newest = events.order_by("-pk").values_list("pk", flat=True).first() or 0
    last_projected = EventEffect.objects.order_by("-pk").values_list("pk", flat=True).first()
    return ExportTable(
        name=f"evidence-{prompt.pk}" if prompt is not None else "evidence",
        version=f"evidence {prompt.pk if prompt else ''} {newest} {last_projected} {_get_policy_version()}",
        columns=EVIDENCE_COLUMNS,
        rows=_iter_events(prompt, newest=newest),
    )


def export_scores(*, prompt: Prompt | None = None) -> ExportTable:
    """The reputation of every prompt that has evidence (or of one), with its 90% interval, as of its last event."""
    newest = CurrentPromptScore.objects.order_by("-event").values_list("event", flat=True).first()
    return ExportTable(
        name=f"scores-{prompt.pk}" if prompt is not None else "scores",
        version=f"scores {prompt.pk if prompt else ''} {newest} {_get_policy_version()}",
        columns=SCORE_COLUMNS,
        rows=_iter_scores(prompt),
    )


def _iter_events(prompt: Prompt | None, *, newest: int) -> Iterator[TableRow]:
    after = 0
    while True:
        page = Event.objects.filter(pk__gt=after, pk__lte=newest).order_by("pk")
        if prompt is not None:
            page = page.filter(prompt=prompt)
        rows = page.values_list(
            "pk", "occurred_at", "recorded_at", "kind", "prompt__namespace", "prompt__name", "prompt__revision",
            "prompt__digest", "assistant__name", "ritual__name", "ritual__version", "ritual__tag", "score", "runs",
            "effect__expected", "effect__trust_before", "effect__trust_after", "actor__name", "admissible",
            "provenance", "tags", "note",
        )[:_PAGE_SIZE]  # fmt: skip
        for (
            pk, occurred, recorded, kind, namespace, name, revision, digest, assistant, ritual, version, task, score,
            runs, expected, before, trust, actor, is_admissible, provenance, tags, note,
        ) in rows:  # fmt: skip
            after = pk
            yield (
                pk, occurred, recorded, evidence_kinds.EvidenceKind(kind).name.lower(),
                f"{namespace}/{name}@{revision}", f"sha256:{digest}", assistant,
                f"{ritual}@{version}" if ritual else None, task, score, runs, expected,
                None if before is None or trust is None else trust - before, actor, is_admissible,
                Provenance(Provenance.WORD if provenance is None else provenance).name.lower(), tags, note,
            )  # fmt: skip
        if len(rows) < _PAGE_SIZE:
            return


def _iter_scores(prompt: Prompt | None) -> Iterator[TableRow]:
    after = 0
    while True:
        page = CurrentPromptScore.objects.filter(pk__gt=after).order_by("pk")
        if prompt is not None:
            page = page.filter(prompt=prompt)
        rows = page.values_list(
            "pk", "prompt__namespace", "prompt__name", "prompt__revision", "prompt__digest", "prompt__team__name",
            "ritual__name", "ritual__version", "ritual__tag", "trust_score", "trust_low", "trust_high",
            "ritual_effectiveness", "assistant_approval", "runs", "events", "event", "event__recorded_at",
        )[:_PAGE_SIZE]  # fmt: skip
        rest: Sequence[Any]
        for pk, namespace, name, revision, digest, team, ritual, version, *rest in rows:
            after = pk
            yield (
                f"{namespace}/{name}@{revision}", f"sha256:{digest}", team,
                f"{ritual}@{version}" if ritual else None, *rest,
            )  # fmt: skip
        if len(rows) < _PAGE_SIZE:
            return


def format_rows(rows: Iterator[TableRow]) -> Iterator[Sequence[object]]:
    """Rows as a text file has them: times in ISO 8601 with six digits of seconds, flags as `true` and `false`, numbers
    without exponents, several texts as a JSON list."""
    for row in rows:
        yield [_format_value(value) for value in row]


def _format_value(value: CellValue) -> object:
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isfinite(value):
        # The shortest digits that read back the same, without an exponent; text would be guarded as a formula.
        return Decimal(repr(value))
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value


def _get_policy_version() -> int:
    return Policy.objects.order_by("-version").values_list("version", flat=True).first() or 0
