"""What is stored of pairs of assistant and prompt: the row of each, with its rows by task, in one query."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import F, QuerySet

from mintmark.projection.pair_models import AssistantPromptTaskTrust, AssistantPromptTrustMap

_TASK_COLUMNS = (
    "ritual_id", "trust", "trust_low", "trust_high", "resonance", "own_trust", "own_trust_low", "own_trust_high",
    "own_resonance", "runs", "proven_runs", "event", "updated_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRecord:
    """A pair's row of the trust map, and its rows by task (the id of the first version of a ritual)."""

    trust_map: AssistantPromptTrustMap
    tasks: Mapping[int, AssistantPromptTaskTrust]


def load(trust_maps: QuerySet[AssistantPromptTrustMap]) -> list[PairRecord]:
    """These rows of the trust map with those of their tasks, in the order of the first."""
    joined = trust_maps.annotate(
        **{f"on_{column}": F(f"tasks__{column}") for column in _TASK_COLUMNS}
    )
    maps: dict[int, AssistantPromptTrustMap] = {}
    tasks: dict[int, dict[int, AssistantPromptTaskTrust]] = {}
    for row in joined:
        maps.setdefault(row.pk, row)
        by_task = tasks.setdefault(row.pk, {})
        values = {column: getattr(row, f"on_{column}") for column in _TASK_COLUMNS}
        if values["ritual_id"] is not None:
            by_task[values["ritual_id"]] = AssistantPromptTaskTrust(
                assistant_id=row.assistant_id, prompt_id=row.prompt_id, **values
            )
    return [PairRecord(trust_map=row, tasks=tasks[pk]) for pk, row in maps.items()]
