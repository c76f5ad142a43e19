"""The gain of an edit: a child compared with its parent, assistant by assistant on the same ritual."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from mintmark.common import evidence_kinds
from mintmark.evidence.models import Event
from mintmark.registry.models import Assistant, Prompt
from mintmark.scoring import paired_effects
from mintmark.scoring.estimate import Estimate

from .results import AssistantGain, EditGains

_Cell = tuple[int, int]
_Cells = Mapping[_Cell, tuple[float, float]]


def compare_with_parents(
    children: Sequence[Prompt], *, own_team: int | None = None
) -> list[tuple[Prompt, Estimate | None]]:
    """Each child with its paired gain over its parent, None where no assistant ran both on one ritual.

    The gain is the mean over (assistant, ritual) of the difference in mean measured score, each weighted by n·n'/(n +
    n') of its runs, with its 90% interval (`paired_effects.pool_effects`). Decisive runs count, and with `own_team`
    whatever that team reported of its own assistants.
    """
    prompts = {c.pk for c in children} | {c.parent_id for c in children if c.parent_id}
    cells = _load_cells(prompts, own_team=own_team)
    return [
        (child, _compute_gain(cells.get(child.pk, {}), cells.get(child.parent_id or 0, {})))
        for child in children
    ]


def compare_edit(*, child: Prompt, own_team: int | None = None) -> EditGains:
    """The gain of one edit: over all assistants, as `compare_with_parents` computes it, and for each assistant, over
    the rituals on which it ran both prompts."""
    if child.parent is None:
        return EditGains(parent=None, overall=None, assistants=())
    cells = _load_cells({child.pk, child.parent.pk}, own_team=own_team)
    child_cells, parent_cells = cells.get(child.pk, {}), cells.get(child.parent.pk, {})
    ran_both = Assistant.objects.in_bulk(
        {assistant for assistant, _ in child_cells.keys() & parent_cells.keys()}
    )
    assistant_gains = []
    for pk, assistant in ran_both.items():
        gain = _compute_gain(
            {cell: mean_and_runs for cell, mean_and_runs in child_cells.items() if cell[0] == pk},
            parent_cells,
        )
        if gain is not None:
            assistant_gains.append(AssistantGain(assistant=assistant, gain=gain))
    assistant_gains.sort(
        key=lambda assistant_gain: (-abs(assistant_gain.gain.value), assistant_gain.assistant.name)
    )
    return EditGains(
        parent=child.parent,
        overall=_compute_gain(child_cells, parent_cells),
        assistants=tuple(assistant_gains),
    )


def _load_cells(
    prompts: Iterable[int], *, own_team: int | None
) -> dict[int, dict[_Cell, tuple[float, float]]]:
    """By prompt and (assistant, ritual): the mean of its outcomes and their runs."""
    cells: dict[int, dict[_Cell, tuple[float, float]]] = {}
    outcomes = Event.objects.filter(
        prompt__in=set(prompts), kind=evidence_kinds.EvidenceKind.OUTCOME
    )
    counted = outcomes.filter_decisive()
    if own_team is not None:
        counted |= outcomes.filter(assistant__team=own_team)
    for prompt, assistant, ritual, score, runs in counted.values_list(
        "prompt", "assistant", "ritual", "score", "runs"
    ):
        mean, n = cells.setdefault(prompt, {}).get((assistant, ritual), (0.0, 0.0))
        cells[prompt][assistant, ritual] = ((mean * n + score * runs) / (n + runs), n + runs)
    return cells


def _compute_gain(child_cells: _Cells, parent_cells: _Cells) -> Estimate | None:
    shared_cells = sorted(child_cells.keys() & parent_cells.keys())
    if not shared_cells:
        return None
    child, child_runs = np.array([child_cells[cell] for cell in shared_cells]).T
    parent, parent_runs = np.array([parent_cells[cell] for cell in shared_cells]).T
    value, low, high, runs = paired_effects.pool_effects(
        paired_effects.compare_per_stratum(
            # The mean of means may end slightly outside [0, 1].
            child=np.clip(child, 0.0, 1.0),
            child_runs=child_runs,
            parent=np.clip(parent, 0.0, 1.0),
            parent_runs=parent_runs,
        )
    )
    return Estimate(value=value, low=low, high=high, runs=runs)
