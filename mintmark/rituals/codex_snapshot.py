"""The codices that a run checks outputs with. They are fixed when the run starts, so that one set of rules applies to
all of it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mintmark.registry import codices
from mintmark.registry.models import Assistant, Codex, Prompt

from .definitions import RitualDefinition

JUDGE_CHECK_KIND = "judge"
"""The kind of check that only a run's judge can decide."""


class PinnedCodex(NamedTuple):
    """One codex of a run, with its clauses on outputs."""

    codex: str
    clauses: Sequence[Mapping[str, Any]]

    def list_rubrics(self) -> list[tuple[str, str]]:
        """The clauses that a judge decides, as pairs of id and question."""
        return [
            (str(clause["id"]), str(clause["check"].get("value") or clause["text"]))
            for clause in self.clauses
            if clause["check"]["kind"] == JUDGE_CHECK_KIND
        ]


def pin_codices(*, prompt: Prompt, assistant: Assistant, definition: RitualDefinition) -> list[int]:
    """The ids of the codices that apply to the prompt, the assistant or everybody, and of those that the ritual
    names."""
    named_codices = [codices.resolve(reference=reference) for reference in definition.codices]
    return sorted(
        {
            codex.pk
            for codex in [*codices.list_binding(prompt=prompt, assistant=assistant), *named_codices]
        }
    )


def load_pinned_codices(*, codex_ids: Sequence[int]) -> list[PinnedCodex]:
    """The clauses on outputs of these codices. A codex without such clauses is left out."""
    codex_rows = Codex.objects.filter(pk__in=codex_ids).order_by("id")
    pinned = [
        PinnedCodex(
            str(codex), [clause for clause in codex.clauses if clause.get("applies_to") == "output"]
        )
        for codex in codex_rows
    ]
    return [pinned_codex for pinned_codex in pinned if pinned_codex.clauses]
