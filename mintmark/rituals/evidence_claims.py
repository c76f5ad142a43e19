"""Record finished frames as evidence. Each claim is computed from rows and has a key that names them, so that recording
twice adds nothing.

Frame 0 gives an outcome, a perturbed frame a replay; each decided clause gives a clause event; cited memories give a
recall event. A frame is recorded when its last case has a result, not earlier: partial results may differ from the
final score. All events are recorded under the person who started the run.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Protocol

from django.conf import settings
from django.db.models import QuerySet

from mintmark.accounts import callers
from mintmark.common import errors
from mintmark.evidence.models import Event
from mintmark.experiments import perturbations
from mintmark.trust import intake
from mintmark.trust.intake import EvidenceClaim

from . import dreamframes, runner_settings
from .models import CaseRun, Dreamframe, RitualRun, RunnerSettings

SOURCE = "ritual"
NOT_RECORDED_NOTE = (
    "measured with the rehearsal runner, which is no language model: kept out of the log"
)
_MAX_NAME_LENGTH = 60


class OnRecorded(Protocol):
    """Called with each batch of the log that a run has recorded: what stands above settles what it decides."""

    def __call__(self, *, batch: int, now: datetime) -> object: ...


def record_frame(
    *, run: RitualRun, frame: Dreamframe, on_recorded: OnRecorded, now: datetime
) -> bool:
    """Record what a frame measured, if each of its cases has its result; whether it is in the log now.

    If the log refuses it (for example, the person who started the run is no longer an operator), the frame stores the
    reason and the run continues.
    """
    rows = dreamframes.score_if_complete(frame=frame)
    if rows is None:
        return False
    if run.runner_kind == RunnerSettings.Kind.REHEARSAL and not settings.IS_DEMO:
        return _mark_recorded(frame, NOT_RECORDED_NOTE, None)
    user = run.started_by.user
    if user is None or not user.is_active:
        return _mark_recorded(frame, "who started the run has no account any more", None)
    caller = callers.from_user(user=user)
    try:
        receipt = intake.record_unchecked(
            caller=caller,
            claims=build_evidence(run=run, frame=frame, rows=rows),
            source=SOURCE,
            now=now,
            is_executed=_is_executed(run),
        )
    except errors.DomainError as error:
        return _mark_recorded(frame, f"refused ({error.code})", None)
    events = receipt.recorded + receipt.repeated
    is_recorded = _mark_recorded(frame, f"{events} events", now)
    if receipt.batch is not None:
        on_recorded(batch=receipt.batch, now=now)
    return is_recorded


def _is_executed(run: RitualRun) -> bool:
    """Whether the installation itself ran this, on an endpoint of its own from beginning to end."""
    runner = (
        RunnerSettings.objects.select_related("assistant", "judge__assistant")
        .filter(assistant=run.assistant_id)
        .first()
    )
    return runner is not None and runner_settings.is_installations_own(
        runner=runner, since=run.created_at
    )


def build_evidence(
    *, run: RitualRun, frame: Dreamframe, rows: Sequence[CaseRun]
) -> list[EvidenceClaim]:
    """The claims of a finished frame: the measured score, then clauses, then recall."""
    return [
        _build_score_evidence(run, frame, rows),
        *_build_clause_evidence(run, frame, rows),
        *_build_recall_evidence(run, frame, rows),
    ]


def list_events(run: RitualRun) -> QuerySet[Event]:
    """The events that a run added to the log, in the order of recording."""
    return Event.objects.filter(
        prompt=run.prompt_id,
        assistant=run.assistant_id,
        actor=run.started_by_id,
        key__startswith=_build_key_prefix(run),
        batch__source=SOURCE,
    ).order_by("id")


def _build_score_evidence(
    run: RitualRun, frame: Dreamframe, rows: Sequence[CaseRun]
) -> EvidenceClaim:
    weighted_rows = [row for row in rows if row.weight]
    frame_context = perturbations.from_json(frame.context)
    return _build_evidence_input(
        run,
        frame,
        rows,
        kind="outcome" if frame.number == 0 else "replay",
        measure="score",
        score=frame.score or 0.0,
        runs=len(weighted_rows),
        note=frame_context.describe(),
    )


def _build_clause_evidence(
    run: RitualRun, frame: Dreamframe, rows: Sequence[CaseRun]
) -> Iterator[EvidenceClaim]:
    outcomes_by_clause: dict[tuple[str, str], list[bool]] = defaultdict(list)
    first_broken_case: dict[tuple[str, str], str] = {}
    for row in rows:
        for verdict in row.clauses:
            # Undecided clauses count neither as passed nor as failed.
            if verdict["holds"] is None:
                continue
            name = (verdict["codex"], verdict["clause"])
            outcomes_by_clause[name].append(verdict["holds"])
            if not verdict["holds"]:
                first_broken_case.setdefault(name, row.case_id)
    for (codex, clause), verdicts in outcomes_by_clause.items():
        satisfied_count, checked_count = sum(verdicts), len(verdicts)
        broken_note = (
            f"; first broken by case {first_broken_case[codex, clause]}"
            if satisfied_count < checked_count
            else ""
        )
        yield _build_evidence_input(
            run,
            frame,
            rows,
            kind="clause",
            measure=f"clause:{_hash_name(f'{codex} {clause}')}",
            score=satisfied_count / checked_count,
            runs=checked_count,
            note=f"{codex}, clause {clause[:_MAX_NAME_LENGTH]}: kept in {satisfied_count} of {checked_count} "
            f"outputs{broken_note}",
            tags=(f"clause:{_make_printable(clause)[:_MAX_NAME_LENGTH]}",),
        )


def _build_recall_evidence(
    run: RitualRun, frame: Dreamframe, rows: Sequence[CaseRun]
) -> Iterator[EvidenceClaim]:
    shares = [recalled["share"] for row in rows for recalled in row.recall]
    if shares:
        yield _build_evidence_input(
            run,
            frame,
            rows,
            kind="recall",
            measure="recall",
            score=min(1.0, sum(shares) / len(shares)),
            runs=len(shares),
            note=f"the share of the words of {len(shares)} cited memories that outputs hold",
        )


def _build_evidence_input(
    run: RitualRun,
    frame: Dreamframe,
    rows: Sequence[CaseRun],
    *,
    kind: str,
    measure: str,
    score: float,
    runs: int,
    note: str,
    tags: tuple[str, ...] = (),
) -> EvidenceClaim:
    is_rehearsal = run.runner_kind == RunnerSettings.Kind.REHEARSAL
    full_note = f"run {run.pk}, {note}" + (
        "; a rehearsal, no language model" if is_rehearsal else ""
    )
    return EvidenceClaim(
        kind=kind,
        prompt=run.prompt_id,
        assistant=run.assistant_id,
        ritual=run.ritual_id,
        score=score,
        runs=runs,
        tags=(f"run:{run.pk}", f"frame:{frame.number}", *tags),
        note=_make_printable(full_note)[:400],
        # Computed from the rows alone, so that the same rows always give the same claim.
        occurred_at=max(row.finished_at for row in rows if row.finished_at is not None),
        key=f"{_build_key_prefix(run)}frame:{frame.number}:{measure}",
    )


def _build_key_prefix(run: RitualRun) -> str:
    """The prefix of the keys of a run's events."""
    return f"ritual-run:{run.pk}:"


def _mark_recorded(frame: Dreamframe, note: str, recorded_at: datetime | None) -> bool:
    Dreamframe.objects.filter(pk=frame.pk).update(recorded=note, recorded_at=recorded_at)
    return recorded_at is not None


def _hash_name(name: str) -> str:
    return hashlib.sha256(name.encode(errors="replace")).hexdigest()[:32]


def _make_printable(text: str) -> str:
    return "".join(character if character.isprintable() else "·" for character in text)
