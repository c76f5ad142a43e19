"""What an importer says: what it read, what it changed, what it refused."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mintmark.common import errors

type Progress = Callable[[int, int], None]
"""Called as an import goes on: units done, units in all."""


class UnreadableSource(errors.DomainError):
    """A file or folder can't be imported as it is; nothing of it was stored."""

    code = "unreadable_source"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClauseRemark:
    """A clause that a prompt which came in does not keep: where it stands in the source, what was found, and around it
    at most 80 characters.
    """

    line: int
    prompt: str
    clause: str
    severity: str
    message: str
    excerpt: str


@dataclass(frozen=True, kw_only=True)
class ClauseRemarks:
    """What the codex that binds everybody says of the prompts that came in: it remarks, and refuses nothing."""

    codex: str
    checked: int
    remarks: Sequence[ClauseRemark]

    def as_json(self) -> dict[str, Any]:
        """For `--json`: plain types only."""
        return {
            "codex": self.codex,
            "checked": self.checked,
            "remarks": [asdict(remark) for remark in self.remarks],
        }


@dataclass(frozen=True, kw_only=True)
class RowAccount:
    """What became of each row of a file, by its number from 0, or its
    place where a source has several lists. Every row stands once: as evidence, as a prompt, left
    out for a reason that is no fault, or refused."""

    evidence: Sequence[int | str] = ()
    prompts: Sequence[int | str] = ()
    left_out: Mapping[str, Sequence[int | str]] = field(default_factory=dict)
    refused: Sequence[int | str] = ()

    @property
    def total(self) -> int:
        left_out = sum(map(len, self.left_out.values()))
        return len(self.evidence) + len(self.prompts) + left_out + len(self.refused)

    def as_json(self) -> dict[str, Any]:
        """For `--json`: counts, and the rows that gave nothing."""
        return {
            "total": self.total,
            "evidence": len(self.evidence),
            "prompts": len(self.prompts),
            "left_out": [
                {"reason": reason, "rows": list(rows)} for reason, rows in self.left_out.items()
            ],
            "refused": list(self.refused),
        }


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """One import, done or (`dry_run`) only tried.

    `read` counts what the source holds, by its own words. Every prompt and event read is in exactly
    one of `registered`/`unchanged`, `recorded`/`repeated`, or named in `refused`; `notes` say what
    a reader of the counts would otherwise wonder about. `unmapped` counts by name the scores, refused, that nobody said
    the meaning of; `left_out` counts by reason what is no fault and no evidence;
    `gone` names what an earlier import brought and the source has no more.
    """

    source: str
    dry_run: bool
    read: Mapping[str, int]
    registered: int = 0
    unchanged: int = 0
    rituals: int = 0
    labels: int = 0
    recorded: int = 0
    repeated: int = 0
    unmapped: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    refused: Sequence[errors.FieldError] = ()
    gone: Sequence[errors.FieldError] = ()
    notes: Sequence[str] = field(default=())
    clauses: ClauseRemarks | None = None
    rows: RowAccount | None = None

    @property
    def has_changes(self) -> bool:
        """Whether anything was (or, in a dry run, would be) written."""
        return bool(self.registered or self.rituals or self.labels or self.recorded)

    def as_json(self) -> dict[str, Any]:
        """For `--json`: plain types only."""
        return {
            "source": self.source,
            "dry_run": self.dry_run,
            "changed": self.has_changes,
            "read": dict(self.read),
            "prompts": {"registered": self.registered, "unchanged": self.unchanged},
            "events": {"recorded": self.recorded, "repeated": self.repeated},
            "unmapped_scores": dict(self.unmapped),
            "left_out": dict(self.left_out),
            "refused": [dict(row) for row in self.refused],
            "gone": [dict(row) for row in self.gone],
            "notes": list(self.notes),
            "clauses": self.clauses.as_json() if self.clauses is not None else None,
            "rows": self.rows.as_json() if self.rows is not None else None,
        }


class SourceFieldError(errors.FieldError):
    """A refused place of a source: a row of a report that also names the file and, where known, the
    line.
    """

    def __init__(
        self,
        *,
        row: int,
        field: str,
        value: object,
        message: str,
        file: Path | str,
        line: int | None = None,
    ) -> None:
        super().__init__(row=row, field=field, value=value, message=message)
        self["file"] = str(file)
        if line is not None:
            self["line"] = line


def build_unreadable_source(
    *, source_name: str, rows: Sequence[errors.FieldError]
) -> UnreadableSource:
    """The refusal of a whole source: the first place in its message, every place in its rows."""
    first = rows[0]
    location = ", ".join(
        str(location_part)
        for location_part in (
            first.get("file"),
            f"line {first['line']}" if "line" in first else "",
            first["field"],
        )
        if location_part
    )
    remaining = f" ({len(rows) - 1} more problems follow.)" if len(rows) > 1 else ""
    return UnreadableSource(
        f"{source_name} can't be imported, and nothing of it was: {location}: {first['message']}{remaining}",
        rows=rows,
    )
