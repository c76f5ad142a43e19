"""From finished frames to the log: every claim follows from rows, under a key that names them, so twice is once.

Frame 0 gives an outcome, a perturbed one a replay; each clause that was decided gives a clause event, memories that
were cited give a recall event. A frame enters the moment its last case has its result, and not before: what a run shows
first is not what it shows in the end. All of it stands in the log under the name of who started the run.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime

from django.conf import settings
from django.db.models import QuerySet

from mintmark.accounts import callers
from mintmark.core import errors, perturbations
from mintmark.evidence.models import Event
from mintmark.trust import intake
from mintmark.trust.intake import Claim

from . import frames
from .models import CaseRun, Dreamframe, RitualRun, Runner

SOURCE = "ritual"
KEPT_OUT = "measured with the rehearsal runner, which is no language model: kept out of the log"
_LONGEST_NAME = 60


def enter(*, run: RitualRun, frame: Dreamframe, now: datetime) -> bool:
    """Record what a frame measured, if each of its cases has its result; whether it is in the log now.

    Where the log refuses it (who started the run is no operator any more), the frame says so and the run goes on.
    """
    rows = frames.close(frame=frame)
    if rows is None:
        return False
    if run.runner_kind == Runner.Kind.REHEARSAL and not settings.IS_DEMO:
        return _note(frame, KEPT_OUT, None)
    user = run.started_by.user
    if user is None or not user.is_active:
        return _note(frame, "who started the run has no account any more", None)
    caller = callers.from_user(user=user)
    try:
        receipt = intake.enter(
            caller=caller, claims=claims(run=run, frame=frame, rows=rows), source=SOURCE, now=now
        )
    except errors.Refusal as refused:
        return _note(frame, f"refused ({refused.code})", None)
    events = receipt.recorded + receipt.repeated
    return _note(frame, f"{events} events", now)


def claims(*, run: RitualRun, frame: Dreamframe, rows: Sequence[CaseRun]) -> list[Claim]:
    """The claims that a closed frame makes: the measured score, then clauses, then recall."""
    return [
        _measured(run, frame, rows),
        *_clauses(run, frame, rows),
        *_recall(run, frame, rows),
    ]


def events_of(run: RitualRun) -> QuerySet[Event]:
    """What a run entered into the log, in the order in which it did."""
    return Event.objects.filter(
        prompt=run.prompt_id,
        assistant=run.assistant_id,
        actor=run.started_by_id,
        key__startswith=_key_of(run),
        batch__source=SOURCE,
    ).order_by("id")


def _measured(run: RitualRun, frame: Dreamframe, rows: Sequence[CaseRun]) -> Claim:
    weighed = [row for row in rows if row.weight]
    context = perturbations.from_json(frame.context)
    return _claim(
        run,
        frame,
        rows,
        kind="outcome" if frame.number == 0 else "replay",
        what="score",
        score=frame.score or 0.0,
        runs=len(weighed),
        note=context.says(),
    )


def _clauses(run: RitualRun, frame: Dreamframe, rows: Sequence[CaseRun]) -> Iterator[Claim]:
    kept: dict[tuple[str, str], list[bool]] = defaultdict(list)
    first: dict[tuple[str, str], str] = {}
    for row in rows:
        for verdict in row.clauses:
            # What could not be decided is taken neither as kept nor as broken.
            if verdict["holds"] is None:
                continue
            name = (verdict["codex"], verdict["clause"])
            kept[name].append(verdict["holds"])
            if not verdict["holds"]:
                first.setdefault(name, row.case_id)
    for (codex, clause), verdicts in kept.items():
        held, checked = sum(verdicts), len(verdicts)
        broken = f"; first broken by case {first[codex, clause]}" if held < checked else ""
        yield _claim(
            run,
            frame,
            rows,
            kind="clause",
            what=f"clause:{_short(f'{codex} {clause}')}",
            score=held / checked,
            runs=checked,
            note=f"{codex}, clause {clause[:_LONGEST_NAME]}: kept in {held} of {checked} outputs{broken}",
            tags=(f"clause:{_printable(clause)[:_LONGEST_NAME]}",),
        )


def _recall(run: RitualRun, frame: Dreamframe, rows: Sequence[CaseRun]) -> Iterator[Claim]:
    shares = [one["share"] for row in rows for one in row.recall]
    if shares:
        yield _claim(
            run,
            frame,
            rows,
            kind="recall",
            what="recall",
            score=min(1.0, sum(shares) / len(shares)),
            runs=len(shares),
            note=f"the share of the words of {len(shares)} cited memories that outputs hold",
        )


def _claim(
    run: RitualRun,
    frame: Dreamframe,
    rows: Sequence[CaseRun],
    *,
    kind: str,
    what: str,
    score: float,
    runs: int,
    note: str,
    tags: tuple[str, ...] = (),
) -> Claim:
    is_rehearsal = run.runner_kind == Runner.Kind.REHEARSAL
    said = f"run {run.pk}, {note}" + ("; a rehearsal, no language model" if is_rehearsal else "")
    return Claim(
        kind=kind,
        prompt=run.prompt_id,
        assistant=run.assistant_id,
        ritual=run.ritual_id,
        score=score,
        runs=runs,
        tags=(f"run:{run.pk}", f"frame:{frame.number}", *tags),
        note=_printable(said)[:400],
        # From the rows alone, so that the same claim comes out of them whenever it is asked for.
        occurred_at=max(row.finished_at for row in rows if row.finished_at is not None),
        key=f"{_key_of(run)}frame:{frame.number}:{what}",
    )


def _key_of(run: RitualRun) -> str:
    """What the keys of a run's events begin with."""
    return f"ritual-run:{run.pk}:"


def _note(frame: Dreamframe, said: str, at: datetime | None) -> bool:
    Dreamframe.objects.filter(pk=frame.pk).update(recorded=said, recorded_at=at)
    return at is not None


def _short(name: str) -> str:
    return hashlib.sha256(name.encode(errors="replace")).hexdigest()[:32]


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else "·" for one in text)
