"""The simulated fleet as fleet.toml describes it."""

import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "fleet.toml"


@dataclass(frozen=True, kw_only=True)
class FleetTeam:
    name: str
    title: str
    people: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class CollusionRing:
    """People who praise one prompt together, as members of a team."""

    team: str
    praises: str
    people: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class FleetAssistant:
    """`skill`, `fit` (by task) and `wording` (by habit of the text) are logits of the generating
    model.
    """

    name: str
    team: str
    model: str
    skill: float
    fit: Mapping[str, float]
    wording: Mapping[str, float]
    memory: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class FleetRitual:
    """`ease` is the logit of an average prompt in average hands."""

    name: str
    task: str
    ease: float
    description: str


@dataclass(frozen=True, kw_only=True)
class FleetPrompt:
    """`effect` is a logit, `keeps` the share of clause checks passed, `born` the day of its first
    use, `licence` an SPDX identifier.
    """

    line: str
    revision: int
    team: str
    task: str
    text: str
    effect: float
    parent: str | None = None
    note: str = ""
    forked_by: str | None = None
    open: bool = False
    born: int = 0
    keeps: float = 0.95
    licence: str = "CC0-1.0"

    @property
    def reference(self) -> str:
        return f"{self.line}@{self.revision}"


@dataclass(frozen=True, kw_only=True)
class FleetLabelMove:
    day: int
    revision: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class FleetLabel:
    line: str
    label: str
    moves: Sequence[FleetLabelMove]


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Everything in the file. `clauses` are what a codex holds; `shared` are (prompt, team)
    entitlements.
    """

    teams: Sequence[FleetTeam]
    rings: Sequence[CollusionRing]
    assistants: Sequence[FleetAssistant]
    rituals: Sequence[FleetRitual]
    prompts: Sequence[FleetPrompt]
    clauses: Sequence[Mapping[str, str]]
    labels: Sequence[FleetLabel]
    shared: Sequence[tuple[str, str]] = field(default=())

    @cached_property
    def ritual_by_task(self) -> dict[str, FleetRitual]:
        """By task."""
        return {ritual.task: ritual for ritual in self.rituals}

    def may_use(self, *, team: str, prompt: FleetPrompt) -> bool:
        """Whether a team's assistants can have run a prompt."""
        return prompt.open or prompt.team == team or (prompt.reference, team) in self.shared


def read_fleet() -> Fleet:
    """The fleet of the living example."""
    raw = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return Fleet(
        teams=[FleetTeam(**team) for team in raw["team"]],
        rings=[CollusionRing(**ring) for ring in raw["ring"]],
        assistants=[FleetAssistant(**assistant) for assistant in raw["assistant"]],
        rituals=[FleetRitual(**ritual) for ritual in raw["ritual"]],
        prompts=list(_build_prompts(raw["prompt"])),
        clauses=raw["clause"],
        labels=[
            FleetLabel(
                line=label["line"],
                label=label["label"],
                moves=[
                    FleetLabelMove(day=day, revision=revision, reason=reason)
                    for day, revision, reason in label["moves"]
                ],
            )
            for label in raw["label"]
        ],
        shared=[(share["prompt"], share["team"]) for share in raw["share"]],
    )


def _build_prompts(raw: Sequence[Mapping[str, Any]]) -> Sequence[FleetPrompt]:
    revisions: Counter[str] = Counter()
    prompts = []
    for described in raw:
        revisions[described["line"]] += 1
        prompts.append(FleetPrompt(**described, revision=revisions[described["line"]]))
    return prompts
