"""What a ritual's stored definition says about its cases, without reading all of it (`rituals.definitions` does)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .models import Prompt, Ritual

_JUDGED = "llm-rubric"


@dataclass(frozen=True, slots=True, kw_only=True)
class RitualCases:
    """The ids of the cases that weigh, the variables that every case fills, and whether a judge grades any of them."""

    ids: frozenset[str]
    variables: frozenset[str]
    needs_judge: bool

    def can_run(self, prompt: Prompt) -> bool:
        """Whether the cases fill all variables of a prompt."""
        return set(prompt.variables) <= self.variables


def load_cases(*, ritual_ids: set[int]) -> dict[int, RitualCases]:
    """The cases of each of these rituals; a ritual that was registered by name alone has none."""
    rows = Ritual.objects.filter(pk__in=ritual_ids).values_list("id", "definition")
    return {pk: read_cases(definition) for pk, definition in rows}


def read_cases(definition: Mapping[str, Any]) -> RitualCases:
    """The cases of a stored definition."""
    cases = definition.get("cases") or []
    asserts = [definition.get("assert"), *(case.get("assert") for case in cases)]
    return RitualCases(
        ids=frozenset(
            str(case.get("id", f"case-{number}"))
            for number, case in enumerate(cases, 1)
            if case.get("weight", 1.0)
        ),
        variables=frozenset.intersection(*(frozenset(case.get("vars") or {}) for case in cases))
        if cases
        else frozenset(),
        needs_judge=any(
            isinstance(entry, Mapping) and str(entry.get("type", "")).endswith(_JUDGED)
            for entries in asserts
            for entry in entries or []
        ),
    )
