"""Ninety days of the simulated fleet, from a seed: the same fleet and seed give the same evidence.

The generating model is additive on the logit scale, as the one that has to find it out is: ease of
the ritual + skill + fit to the task + effect of the prompt + what the assistant makes of the
prompt's habits of wording + a part of the pair's own, N(0, 0.3²).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .fleet import Fleet, FleetAssistant, FleetPrompt

DAYS = 90
SEED = 7
_PAIR_SPREAD = 0.3
_USES_PER_DAY = 3
_HABITS = {
    "closing_answer": re.compile(r"Answer:\s*\Z"),
    "steps": re.compile(r"step by step"),
    "examples": re.compile(r"For example"),
    "bullets": re.compile(r"^- ", re.MULTILINE),
    "polite": re.compile(r"\b[Pp]lease\b"),
    "one_word": re.compile(r"one word"),
}
_RATING_TAGS = ("@clarity", "@length", "@reliability")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedEvent:
    """One piece of evidence, by names; `day` counts from the start, with a fraction."""

    kind: str
    prompt: str
    score: float
    day: float
    assistant: str | None = None
    ritual: str | None = None
    runs: int = 1
    tags: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceReport:
    """What one person records at one time."""

    day: float
    person: str
    events: Sequence[SimulatedEvent]

    @property
    def key(self) -> str:
        return f"demo:{self.day:.4f}:{self.person}"


def find_habits(text: str) -> list[str]:
    """The habits of wording that a text shows, as the assistants of the fleet know them."""
    return [habit for habit, pattern in _HABITS.items() if pattern.search(text)]


def simulate(*, fleet: Fleet, seed: int = SEED, days: int = DAYS) -> list[EvidenceReport]:
    """All reports in the order of their time."""
    world = Simulation(fleet, np.random.default_rng(seed))
    reports = [
        EvidenceReport(day=day + 0.99, person=team.people[0], events=events)
        for day in range(days)
        for team in fleet.teams
        if (events := list(world.simulate_day(team=team.name, day=day)))
    ]
    reports += world.simulate_ratings(days=days)
    return sorted(reports, key=lambda report: (report.day, report.person))


class Simulation:
    """The truth, and the dice. A prompt that the fleet does not describe has no part of the pair's own."""

    def __init__(self, fleet: Fleet, rng: np.random.Generator) -> None:
        self.fleet = fleet
        self.rng = rng
        self.pair = {
            (assistant.name, prompt.reference): float(rng.normal(0.0, _PAIR_SPREAD))
            for assistant in fleet.assistants
            for prompt in fleet.prompts
        }
        self.spread = {prompt.reference: float(rng.gamma(2.0, 0.2)) for prompt in fleet.prompts}

    def compute_pass_chance(
        self, assistant: FleetAssistant, prompt: FleetPrompt, *, shift: float = 0.0
    ) -> float:
        """How likely one run passes."""
        logit = (
            self.fleet.ritual_by_task[prompt.task].ease
            + assistant.skill
            + assistant.fit.get(prompt.task, 0.0)
            + prompt.effect
            + sum(assistant.wording.get(habit, 0.0) for habit in find_habits(prompt.text))
            + self.pair.get((assistant.name, prompt.reference), 0.0)
            + shift
        )
        return float(1.0 / (1.0 + np.exp(-logit)))

    def compute_quality(self, prompt: FleetPrompt) -> float:
        """What a person who sees every assistant at work would say of a prompt."""
        return float(np.mean([self.compute_pass_chance(a, prompt) for a in self.fleet.assistants]))

    def simulate_day(self, *, team: str, day: int) -> Iterator[SimulatedEvent]:
        """What one team's assistants did on one day."""
        for assistant in self.fleet.assistants:
            if assistant.team != team:
                continue
            usable = [
                prompt
                for prompt in self.fleet.prompts
                if prompt.born <= day and self.fleet.may_use(team=team, prompt=prompt)
            ]
            likely = np.array([self._compute_weight(team, prompt, day) for prompt in usable])
            for _ in range(min(_USES_PER_DAY, len(usable))):
                prompt = usable[int(self.rng.choice(len(usable), p=likely / likely.sum()))]
                yield from self._simulate_use(
                    assistant, prompt, day + float(self.rng.uniform(0.3, 0.9))
                )

    def _compute_weight(self, team: str, prompt: FleetPrompt, day: int) -> float:
        superseded = any(
            other.line == prompt.line and prompt.revision < other.revision and other.born <= day
            for other in self.fleet.prompts
        )
        return (2.0 if prompt.team == team else 1.0) * (0.25 if superseded else 1.0)

    def _simulate_use(
        self, assistant: FleetAssistant, prompt: FleetPrompt, day: float
    ) -> Iterator[SimulatedEvent]:
        ritual = self.fleet.ritual_by_task[prompt.task].name
        chance = self.compute_pass_chance(assistant, prompt)
        yield self._simulate_runs("outcome", assistant, prompt, ritual, chance, day, note="")
        if self.rng.random() < 0.15:
            for frame in ("another seed", "memory in another order", "the input paraphrased"):
                shift = float(self.rng.normal(0.0, self.spread[prompt.reference]))
                other = self.compute_pass_chance(assistant, prompt, shift=shift)
                yield self._simulate_runs(
                    "replay", assistant, prompt, ritual, other, day, note=frame
                )
        if self.rng.random() < 0.25:
            approves = bool(self.rng.random() < chance)
            yield SimulatedEvent(
                kind="approval",
                prompt=prompt.reference,
                assistant=assistant.name,
                ritual=ritual,
                score=float(approves),
                day=day,
                note="kept for the next time" if approves else "put aside",
            )
        if self.rng.random() < 0.30:
            faithful = float(
                np.clip(self.rng.normal(0.92 if assistant.skill > 0 else 0.8, 0.08), 0, 1)
            )
            yield SimulatedEvent(
                kind="recall",
                prompt=prompt.reference,
                assistant=assistant.name,
                score=round(faithful, 3),
                day=day,
                note=f"agreement with the memory of {', '.join(assistant.memory)}",
            )
        if self.rng.random() < 0.35:
            clause = self.fleet.clauses[int(self.rng.integers(len(self.fleet.clauses)))]
            is_satisfied = bool(self.rng.random() < prompt.keeps)
            yield SimulatedEvent(
                kind="clause",
                prompt=prompt.reference,
                assistant=assistant.name,
                score=float(is_satisfied),
                day=day,
                tags=(f"clause:{clause['id']}",),
                note=clause["text"] if is_satisfied else f"Not kept: {clause['text']}",
            )

    def _simulate_runs(
        self,
        kind: str,
        assistant: FleetAssistant,
        prompt: FleetPrompt,
        ritual: str,
        chance: float,
        day: float,
        *,
        note: str,
    ) -> SimulatedEvent:
        runs = int(self.rng.integers(4, 13))
        return SimulatedEvent(
            kind=kind,
            prompt=prompt.reference,
            assistant=assistant.name,
            ritual=ritual,
            score=float(self.rng.binomial(runs, chance)) / runs,
            runs=runs,
            day=day,
            note=note,
        )

    def simulate_ratings(self, *, days: int) -> Iterator[EvidenceReport]:
        """Honest people rate what they use, from a month on; a ring praises its one prompt."""
        at_work = {assistant.team for assistant in self.fleet.assistants}
        for team in self.fleet.teams:
            for person in team.people if team.name in at_work else ():
                leniency = float(self.rng.normal(0.0, 0.08))
                for day in np.sort(self.rng.uniform(30.0, days - 1.0, 3)):
                    yield self._simulate_honest_report(team.name, person, float(day), leniency)
        for ring in self.fleet.rings:
            for n, person in enumerate(ring.people):
                # A little honest work first, so that they look like everybody else.
                yield self._simulate_honest_report(
                    ring.team, person, 50.0 + n / 10, 0.0, but=ring.praises
                )
                praise = SimulatedEvent(
                    kind="rating",
                    prompt=ring.praises,
                    score=1.0,
                    day=54.0 + n / 10,
                    tags=("@clarity+", "@reliability+"),
                    note="Best prompt ever!",
                )
                yield EvidenceReport(day=praise.day, person=person, events=[praise])

    def _simulate_honest_report(
        self, team: str, person: str, day: float, leniency: float, *, but: str = ""
    ) -> EvidenceReport:
        candidates = [
            prompt
            for prompt in self.fleet.prompts
            if prompt.born + 5 < day
            and prompt.team != team
            and prompt.reference != but
            and self.fleet.may_use(team=team, prompt=prompt)
        ]
        chosen = self.rng.choice(len(candidates), size=min(4, len(candidates)), replace=False)
        return EvidenceReport(
            day=day,
            person=person,
            events=[
                self.simulate_rating(candidates[int(n)], day=day, leniency=leniency) for n in chosen
            ],
        )

    def simulate_rating(
        self, prompt: FleetPrompt, *, day: float, leniency: float
    ) -> SimulatedEvent:
        """What an honest person says of a prompt."""
        felt = float(
            np.clip(self.compute_quality(prompt) + leniency + self.rng.normal(0.0, 0.15), 0, 1)
        )
        stars = round(4 * felt)
        sign = "+" if stars >= 3 else "-"
        tags = [f"{tag}{sign}" for tag in _RATING_TAGS if self.rng.random() < 0.4]
        return SimulatedEvent(
            kind="rating", prompt=prompt.reference, score=stars / 4, day=day, tags=tuple(tags)
        )
