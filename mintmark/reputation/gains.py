"""What an edit gained: a child compared with its parent, assistant by assistant on the same ritual."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from mintmark.core import kinds, paired_gains
from mintmark.evidence.models import Event
from mintmark.registry.models import Assistant, Prompt

from .answers import AssistantGain, EditGains, Estimate

_Cell = tuple[int, int]
_Cells = Mapping[_Cell, tuple[float, float]]


def over_parents(children: Sequence[Prompt]) -> list[tuple[Prompt, Estimate | None]]:
    """Each child with its paired gain over its parent, None where no assistant ran both on one ritual.

    The gain is the mean over (assistant, ritual) of the difference in mean measured score, each weighted by
    n·n'/(n + n') of its runs, with its 90% interval (`paired_gains.together`).
    """
    cells = _measured({c.pk for c in children} | {c.parent_id for c in children if c.parent_id})
    return [
        (child, _gain(cells.get(child.pk, {}), cells.get(child.parent_id or 0, {})))
        for child in children
    ]


def of(*, child: Prompt) -> EditGains:
    """What one edit gained or cost: over all assistants as `over_parents` has it, and each of them by itself, over the
    rituals on which it ran both prompts."""
    if child.parent is None:
        return EditGains(parent=None, overall=None, assistants=())
    cells = _measured({child.pk, child.parent.pk})
    own, theirs = cells.get(child.pk, {}), cells.get(child.parent.pk, {})
    ran_both = Assistant.objects.in_bulk({assistant for assistant, _ in own.keys() & theirs.keys()})
    found = []
    for pk, assistant in ran_both.items():
        gain = _gain({cell: told for cell, told in own.items() if cell[0] == pk}, theirs)
        if gain is not None:
            found.append(AssistantGain(assistant=assistant, gain=gain))
    found.sort(key=lambda one: (-abs(one.gain.value), one.assistant.name))
    return EditGains(parent=child.parent, overall=_gain(own, theirs), assistants=tuple(found))


def _measured(prompts: Iterable[int]) -> dict[int, dict[_Cell, tuple[float, float]]]:
    """By prompt and (assistant, ritual): the mean of its outcomes and their runs."""
    cells: dict[int, dict[_Cell, tuple[float, float]]] = {}
    for prompt, assistant, ritual, score, runs in Event.objects.filter(
        prompt__in=set(prompts), kind=kinds.Kind.OUTCOME
    ).values_list("prompt", "assistant", "ritual", "score", "runs"):
        mean, n = cells.setdefault(prompt, {}).get((assistant, ritual), (0.0, 0.0))
        cells[prompt][assistant, ritual] = ((mean * n + score * runs) / (n + runs), n + runs)
    return cells


def _gain(own: _Cells, theirs: _Cells) -> Estimate | None:
    both = sorted(own.keys() & theirs.keys())
    if not both:
        return None
    child, child_runs = np.array([own[cell] for cell in both]).T
    parent, parent_runs = np.array([theirs[cell] for cell in both]).T
    value, low, high, runs = paired_gains.together(
        paired_gains.apart(
            # A mean of means may end a hair outside [0, 1].
            child=np.clip(child, 0.0, 1.0),
            child_runs=child_runs,
            parent=np.clip(parent, 0.0, 1.0),
            parent_runs=parent_runs,
        )
    )
    return Estimate(value=value, low=low, high=high, runs=runs)
