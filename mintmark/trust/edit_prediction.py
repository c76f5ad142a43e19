"""Prediction of edits: the trust of a text that is not registered, and how accurate such predictions were here."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from django.db.models import OuterRef, Subquery
from numpy.typing import NDArray

from mintmark.common import evidence_kinds
from mintmark.evidence import log
from mintmark.evidence.models import Event
from mintmark.projection import lineage_cache
from mintmark.projection.prompt_models import CurrentPromptScore
from mintmark.registry import prompts
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.scoring import edit_effects, forecast_metrics, pair_predictions, text_features
from mintmark.scoring.estimate import Estimate

from .results import EditFeatureEffect, ForeseenTrust, Foresight, TrackRecord
from .scoring_view import ScoringView

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_PROMPTS = 2000
MIN_PROMPTS = 10
_OUTCOME = int(evidence_kinds.EvidenceKind.OUTCOME)
_MEASURED_KINDS = sorted(evidence_kinds.MEASURED)


def foresee(
    *,
    view: ScoringView,
    text: str,
    parent: Prompt,
    assistants: Sequence[Assistant],
    ritual: Ritual | None,
    now: datetime,
) -> Foresight:
    """Predict the trust of each assistant in `text`, an edit of `parent`; nothing is written.

    The task is `ritual`, or else the parent's. Raises `prompts.InvalidPrompt` for a text that is empty or too long to
    be registered. Hidden characters are only checked on registration: searching half a million characters takes longer
    than a keystroke may.
    """
    _require_text(text)
    tasks = view.choose_tasks([parent], ritual)
    task = tasks[parent.pk]
    edited = text_features.extract_features(text)
    before = view.fold.get_features(np.array([parent.pk], dtype=np.int64))[0]
    edit, measured_task = _compare_texts(view, assistants, task, before, edited, now=now)
    current = view.read_grid(assistants=assistants, prompts=[parent], tasks=tasks, now=now)
    differs = np.flatnonzero(
        before[: text_features.STYLE] != edited[: text_features.STYLE]
    ).tolist()
    return Foresight(
        parent=parent,
        ritual=ritual if ritual is not None else Ritual.objects.filter(pk=task).first(),
        measured_task=measured_task,
        rows=tuple(
            ForeseenTrust(
                assistant=assistant,
                parent_trust=current.build_estimate(i),
                as_new=_build_estimate(edit.parent, i),
                edited=_build_estimate(edit.edited, i),
                change=Estimate(
                    value=float(edit.change[i]),
                    low=float(edit.low[i]),
                    high=float(edit.high[i]),
                    runs=0.0,
                ),
                effects=_build_feature_effects(edit, i, differs, before=before, after=edited),
                hashed=float(edit.hashed[i]),
                spread=float(edit.spread[i]),
            )
            for i, assistant in enumerate(assistants)
        ),
        as_of=view.as_of,
        policy=view.policy,
    )


def measure_track_record() -> TrackRecord | None:
    """How accurate predictions of never-run prompts were in this log; None below `MIN_PROMPTS` of them.

    Counts the newest `MAX_PROMPTS` measured prompts, each once: by its first decisive event, if that is an outcome. The
    prediction is stored with the event's effect, as folded under the current policy: it had seen nothing of the prompt.
    A policy learned from this same log has seen the log's spread, though not in which prompt.
    """
    # By id, which an index finds at once: the log's own order differs only between concurrent writers.
    first = (
        Event.objects.filter_decisive()
        .filter(prompt=OuterRef("prompt_id"), kind__in=_MEASURED_KINDS)
        .order_by("id")
    )
    newest = (
        CurrentPromptScore.objects.filter(runs__gt=0)
        .order_by("-prompt_id")
        .annotate(first=Subquery(first.values("id")[:1]))[:MAX_PROMPTS]
    )
    ids = [event for event in newest.values_list("first", flat=True) if event is not None]
    outcomes = Event.objects.filter(pk__in=ids, kind=_OUTCOME, effect__expected__isnull=False)
    rows = list(
        outcomes.order_by("id").values_list("assistant", "ritual", "effect__expected", "score")
    )
    if len(rows) < MIN_PROMPTS:
        return None
    task = lineage_cache.load_task_ids()
    group_keys = np.array([(row[0], task[row[1]]) for row in rows], dtype=np.int64)
    expected, scored = (np.array([row[k] for row in rows], dtype=np.float64) for k in (2, 3))
    rank_within, compared = _correlate_within_groups(group_keys, expected, scored)
    return TrackRecord(
        prompts=len(rows),
        mean_error=float(np.abs(expected - scored).mean()),
        plain_error=float(np.abs(scored.mean() - scored).mean()),
        rank_correlation=forecast_metrics.spearman(predicted=expected, score=scored),
        rank_within=rank_within,
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


def _compare_texts(
    view: ScoringView,
    assistants: Sequence[Assistant],
    task: int,
    parent: Floats,
    edited: Floats,
    *,
    now: datetime,
) -> tuple[edit_effects.EditEffect, bool]:
    """The comparison of the two texts for each assistant, and whether wording was ever measured on this task."""
    assistant_ids = np.array([a.pk for a in assistants], dtype=np.int64)
    tasks = np.full(assistant_ids.size, task, dtype=np.int64)
    _, assistant, ritual_positions, assistant_ritual_positions, _, _ = view.locate(
        assistant_ids, tasks, np.full(assistant_ids.size, -1, dtype=np.int64)
    )
    state = view.pairs.build_state()
    centre_position = ritual_positions[0] if ritual_positions.size else -1
    edit = edit_effects.compare_edit(
        view.pair_policy,
        state,
        assistant=assistant,
        ritual=ritual_positions,
        assistant_ritual=assistant_ritual_positions,
        parent=parent,
        edited=edited,
        now_days=float(log.to_epoch_days([now])[0]),
    )
    return edit, bool(centre_position >= 0 and state.centre_count[centre_position] > 0.0)


def _build_feature_effects(
    edit: edit_effects.EditEffect, i: int, differs: Sequence[int], *, before: Floats, after: Floats
) -> tuple[EditFeatureEffect, ...]:
    effects = [
        EditFeatureEffect(
            name=text_features.READABLE[j].name,
            label=text_features.READABLE[j].label,
            counted=text_features.READABLE[j].counted,
            before=float(before[j]),
            after=float(after[j]),
            effect=float(edit.effects[i, j]),
            low=float(edit.effects_low[i, j]),
            high=float(edit.effects_high[i, j]),
        )
        for j in differs
    ]
    return tuple(sorted(effects, key=lambda effect: -abs(effect.effect)))


def _build_estimate(prediction: pair_predictions.Prediction, i: int) -> Estimate:
    return Estimate(
        value=float(prediction.trust[i]),
        low=float(prediction.low[i]),
        high=float(prediction.high[i]),
        runs=0.0,
    )


def _correlate_within_groups(
    group_keys: Ints, expected: Floats, scored: Floats
) -> tuple[float | None, int]:
    """The rank correlation within groups of one (assistant, task), and how many rows share their group with another.

    Each row counts by its rank in its group, as a share of the group: a task whose scores lie far apart weighs no more
    than one whose scores lie close. With one group it is Spearman's correlation.
    """
    _, group, size = np.unique(group_keys, axis=0, return_inverse=True, return_counts=True)
    chosen = size[group] > 1
    compared = int(chosen.sum())
    if compared < MIN_PROMPTS:
        return None, compared
    a, b = (_center_ranks(group, size, column)[chosen] for column in (expected, scored))
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm > 0.0 else None, compared


def _center_ranks(group: Ints, size: Ints, values: Floats) -> Floats:
    """The rank of each value in its group, from −1/2 (lowest) to 1/2; ties share their mean."""
    distinct, level = np.unique(values, return_inverse=True)
    rank = forecast_metrics.ranks((group * distinct.size + level).astype(np.float64))
    middle = np.bincount(group, weights=rank) / size
    centered_ranks: Floats = (rank - middle[group]) / size[group]
    return centered_ranks
