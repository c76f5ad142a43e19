"""Which codices a run checks outputs with: fixed when it starts, so that a run is judged by one set of rules."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mintmark.registry import codices
from mintmark.registry.models import Assistant, Codex, Prompt

from .definitions import Definition

JUDGED = "judge"
"""The kind of checks that a run's judge decides, and nobody else."""


class Bound(NamedTuple):
    """One codex of a run, and its clauses on outputs."""

    codex: str
    clauses: Sequence[Mapping[str, Any]]

    def rubrics(self) -> list[tuple[str, str]]:
        """The clauses that a judge decides: their ids, and what they ask."""
        return [
            (str(clause["id"]), str(clause["check"].get("value") or clause["text"]))
            for clause in self.clauses
            if clause["check"]["kind"] == JUDGED
        ]


def pinned(*, prompt: Prompt, assistant: Assistant, definition: Definition) -> list[int]:
    """The ids of the codices that bind the prompt, the assistant or everybody, and of those that the ritual names."""
    named = [codices.named(reference=reference) for reference in definition.codices]
    return sorted(
        {codex.pk for codex in [*codices.binding(prompt=prompt, assistant=assistant), *named]}
    )


def of(*, codex_ids: Sequence[int]) -> list[Bound]:
    """The clauses on outputs of these codices; those without any are left out."""
    found = Codex.objects.filter(pk__in=codex_ids).order_by("id")
    bound = [
        Bound(str(codex), [c for c in codex.clauses if c.get("applies_to") == "output"])
        for codex in found
    ]
    return [one for one in bound if one.clauses]
