"""Foresight: what trust a text would have that nobody has registered, and how well such predictions have held here."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from django.db.models import OuterRef, Subquery
from numpy.typing import NDArray

from mintmark.core import edits, kinds, metrics, predictions, wording
from mintmark.evidence import log
from mintmark.evidence.models import Event
from mintmark.registry import ancestry, prompts
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.reputation.answers import Estimate
from mintmark.reputation.models import Standing

from .answers import FeatureEffect, ForeseenTrust, Foresight, TrackRecord
from .view import View

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_PROMPTS = 2000
FEWEST_PROMPTS = 10
_OUTCOME = int(kinds.Kind.OUTCOME)
_MEASURED = sorted(kinds.MEASURED)


def foresee(
    *,
    view: View,
    text: str,
    parent: Prompt,
    assistants: Sequence[Assistant],
    ritual: Ritual | None,
    now: datetime,
) -> Foresight:
    """What trust `text`, an edit of `parent`, would have with each assistant; nothing is written.

    For `ritual`, or else for the parent's task as the trust matrix has it. Raises `prompts.InvalidPrompt` for a text
    that is empty or too long to be registered. Hidden characters are left to registration: looking for them in half a
    million takes longer than a keystroke may.
    """
    _require_text(text)
    if ritual is None:
        task = view.tasks_of([parent])[parent.pk]
    else:
        task = int(view.fold.records.task(np.array([ritual.pk], dtype=np.int64))[0])
    edited = wording.features(text)
    before = view.fold.features(np.array([parent.pk], dtype=np.int64))[0]
    edit, measured_task = _compare(view, assistants, task, before, edited, now=now)
    told, runs = view.grid(assistants=assistants, prompts=[parent], now=now)
    differs = np.flatnonzero(before[: wording.STYLE] != edited[: wording.STYLE]).tolist()
    return Foresight(
        parent=parent,
        ritual=ritual if ritual is not None else Ritual.objects.filter(pk=task).first(),
        measured_task=measured_task,
        rows=tuple(
            ForeseenTrust(
                assistant=assistant,
                told=_estimate(told, i, runs=float(runs[i, 0])),
                as_new=_estimate(edit.parent, i),
                edited=_estimate(edit.edited, i),
                change=Estimate(
                    value=float(edit.change[i]),
                    low=float(edit.low[i]),
                    high=float(edit.high[i]),
                    runs=0.0,
                ),
                effects=_effects(edit, i, differs, before=before, after=edited),
                hashed=float(edit.hashed[i]),
                spread=float(edit.spread[i]),
            )
            for i, assistant in enumerate(assistants)
        ),
        as_of=view.as_of,
        policy=view.policy,
    )


def track_record() -> TrackRecord | None:
    """How predictions of never-run prompts have held in this log; None below `FEWEST_PROMPTS` of them.

    Counted are the newest `MOST_PROMPTS` measured prompts, each once: by its first measured event, if that is an
    outcome. What was expected of it is on the event's effect row, as folded under the policy in force: it had seen
    nothing of the prompt. A policy learned from this same log has seen the log's spread, though not in which prompt.
    """
    # By id, which an index finds at once: the log's own order differs only between writers of the same moment.
    first = Event.objects.filter(prompt=OuterRef("prompt_id"), kind__in=_MEASURED).order_by("id")
    newest = (
        Standing.objects.filter(runs__gt=0)
        .order_by("-prompt_id")
        .annotate(first=Subquery(first.values("id")[:1]))[:MOST_PROMPTS]
    )
    ids = [event for event in newest.values_list("first", flat=True) if event is not None]
    counted = Event.objects.filter(pk__in=ids, kind=_OUTCOME, effect__expected__isnull=False)
    rows = list(
        counted.order_by("id").values_list("assistant", "ritual", "effect__expected", "score")
    )
    if len(rows) < FEWEST_PROMPTS:
        return None
    task = ancestry.tasks()
    where = np.array([(row[0], task[row[1]]) for row in rows], dtype=np.int64)
    expected, scored = (np.array([row[k] for row in rows], dtype=np.float64) for k in (2, 3))
    within, compared = _rank_within(where, expected, scored)
    return TrackRecord(
        prompts=len(rows),
        mean_error=float(np.abs(expected - scored).mean()),
        plain_error=float(np.abs(scored.mean() - scored).mean()),
        rank_correlation=metrics.spearman(predicted=expected, score=scored),
        rank_within=within,
        compared=compared,
    )


def _require_text(text: str) -> None:
    if not text.strip():
        raise prompts.InvalidPrompt(
            "The text is empty; write at least one visible character to see what it would be trusted with."
        )
    if len(text) > prompts.MAX_TEXT_CHARACTERS:
        raise prompts.InvalidPrompt(
            f"The text has {len(text):,} characters; at most {prompts.MAX_TEXT_CHARACTERS:,} are taken."
        )


def _compare(
    view: View,
    assistants: Sequence[Assistant],
    task: int,
    parent: Floats,
    edited: Floats,
    *,
    now: datetime,
) -> tuple[edits.Edit, bool]:
    """The two texts compared for each assistant, and whether wording was ever measured on this task."""
    fold = view.fold
    fold.pair_fleet.locate(np.zeros(1, dtype=np.int64), changes=False)
    # All tasks, in one order: the state addresses what a task is about and how hard it is by one position.
    known = np.array(fold.records.task_ids, dtype=np.int64)
    fold.pair_ritual.locate(known, changes=False)
    fold.centre.locate(known, changes=False)
    who = np.array([a.pk for a in assistants], dtype=np.int64)
    tasks = np.full(who.size, task, dtype=np.int64)
    at = fold.pair_ritual.locate(tasks, changes=False)
    here = fold.centre.locate(np.array([task], dtype=np.int64), changes=False)[0]
    assistant = fold.pair_assistant.locate(who, changes=False)
    both = fold.pair_assistant_ritual.locate(who, tasks, changes=False)
    state = fold.pair_state()
    edit = edits.compare(
        view.pair_policy,
        state,
        assistant=assistant,
        ritual=at,
        assistant_ritual=both,
        parent=parent,
        edited=edited,
        now_days=float(log.days([now])[0]),
    )
    return edit, bool(here >= 0 and state.centre_count[here] > 0.0)


def _effects(
    edit: edits.Edit, i: int, differs: Sequence[int], *, before: Floats, after: Floats
) -> tuple[FeatureEffect, ...]:
    found = [
        FeatureEffect(
            name=wording.READABLE[j].name,
            label=wording.READABLE[j].label,
            counted=wording.READABLE[j].counted,
            before=float(before[j]),
            after=float(after[j]),
            effect=float(edit.effects[i, j]),
            low=float(edit.effects_low[i, j]),
            high=float(edit.effects_high[i, j]),
        )
        for j in differs
    ]
    return tuple(sorted(found, key=lambda one: -abs(one.effect)))


def _estimate(told: predictions.Prediction, i: int, *, runs: float = 0.0) -> Estimate:
    return Estimate(
        value=float(told.trust[i]), low=float(told.low[i]), high=float(told.high[i]), runs=runs
    )


def _rank_within(where: Ints, expected: Floats, scored: Floats) -> tuple[float | None, int]:
    """How alike both order the rows of one (assistant, task), and how many rows share theirs with another.

    Each row counts by its rank in its group, as a share of the group: a task whose scores lie far apart weighs no more
    than one whose scores lie close. Spearman's correlation where there is one group.
    """
    _, group, size = np.unique(where, axis=0, return_inverse=True, return_counts=True)
    chosen = size[group] > 1
    compared = int(chosen.sum())
    if compared < FEWEST_PROMPTS:
        return None, compared
    a, b = (_places(group, size, column)[chosen] for column in (expected, scored))
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm > 0.0 else None, compared


def _places(group: Ints, size: Ints, values: Floats) -> Floats:
    """Where each value stands in its group, from −1/2 (lowest) to 1/2; ties share their mean."""
    distinct, level = np.unique(values, return_inverse=True)
    rank = metrics.ranks((group * distinct.size + level).astype(np.float64))
    middle = np.bincount(group, weights=rank) / size
    places: Floats = (rank - middle[group]) / size[group]
    return places
