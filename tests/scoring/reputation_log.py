"""Builds a small evidence log for the reputation kernel, event by event, in the test's own words.

The cast: prompts, assistants, rituals, raters and cohorts are small numbers; every pair of them
has a row. `fold` plays what has been said so far, once.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from mintmark.common.evidence_kinds import EvidenceKind
from mintmark.common.provenance import Provenance
from mintmark.scoring import prompt_model, prompt_readout
from mintmark.scoring.prompt_model import ReputationEffects, ReputationEvents, ReputationState
from mintmark.scoring.prompt_readout import PromptScore
from mintmark.scoring.reputation_constants import ReputationPolicy

PROMPTS, ASSISTANTS, RITUALS, RATERS, COHORTS, TEAMS = 6, 4, 3, 400, 5, 4
TODAY = 20_000.0
COLUMNS = [field.name for field in dataclasses.fields(ReputationEvents)]


class Log:
    def __init__(self, **policy: float) -> None:
        self.policy = ReputationPolicy(**policy)  # type: ignore[arg-type]
        self.state = ReputationState.create_initial(
            policy=self.policy,
            prompts=PROMPTS,
            rituals=RITUALS,
            assistant_rituals=ASSISTANTS * RITUALS,
            pairs=ASSISTANTS * PROMPTS,
            raters=RATERS,
            prompt_cohorts=PROMPTS * COHORTS,
            prompt_raters=PROMPTS * RATERS,
            claimed_pairs=ASSISTANTS * PROMPTS,
            prompt_teams=PROMPTS * TEAMS,
            teams=TEAMS,
            team_rituals=TEAMS * RITUALS,
        )
        self.rows: list[dict[str, float]] = []

    def fork(self, child: int, *, of: int) -> None:
        self.state.prompts.parent[child] = of

    def measured(
        self,
        prompt: int = 0,
        score: float = 1.0,
        *,
        runs: float = 1.0,
        assistant: int = 0,
        ritual: int = 0,
        baseline: float = 0.5,
        at: float = TODAY,
        kind: EvidenceKind = EvidenceKind.OUTCOME,
        admissible: bool = True,
        provenance: Provenance = Provenance.EXECUTED,
    ) -> None:
        """An outcome of an assistant, whose team has its number."""
        self._add(
            kind=kind,
            provenance=provenance,
            team=assistant,
            prompt_team=prompt * TEAMS + assistant,
            claimed_pair=assistant * PROMPTS + prompt,
            team_ritual=assistant * RITUALS + ritual,
            own_baseline=baseline,
            prompt=prompt,
            ritual=ritual,
            assistant_ritual=assistant * RITUALS + ritual,
            pair=assistant * PROMPTS + prompt,
            score=score,
            runs=runs,
            at_days=at,
            baseline=baseline,
            admissible=admissible,
        )

    def claim(self, prompt: int = 0, score: float = 1.0, **values: float) -> None:
        """An outcome as a team reports it, with its cases."""
        self.measured(prompt, score, provenance=Provenance.CLAIM, **values)  # type: ignore[arg-type]

    def reweigh(
        self,
        team: int,
        *,
        false_share: float,
        verdicts: int = 100,
        prompt: int = 0,
        at: float = TODAY,
    ) -> None:
        """What share of a team's claims is false, as an audit has found."""
        self._add(
            kind=EvidenceKind.REWEIGH_TEAM,
            prompt=prompt,
            team=team,
            prompt_team=prompt * TEAMS + team,
            score=false_share,
            runs=float(verdicts),
            at_days=at,
        )

    def opinion(
        self,
        prompt: int = 0,
        score: float = 1.0,
        *,
        rater: int = 0,
        cohort: int | None = 0,
        at: float = TODAY,
        kind: EvidenceKind = EvidenceKind.RATING,
        admissible: bool = True,
    ) -> None:
        self._add(
            kind=kind,
            prompt=prompt,
            rater=rater,
            prompt_cohort=-1 if cohort is None else prompt * COHORTS + cohort,
            prompt_rater=prompt * RATERS + rater,
            score=score,
            at_days=at,
            admissible=admissible,
        )

    def other(self, kind: EvidenceKind, prompt: int = 0) -> None:
        self._add(kind=kind, prompt=prompt, score=0.0)

    def trusted(self, rater: int, *, runs: float = 1e6) -> None:
        """Give a rater a record that weighs as much as a record can."""
        self.state.raters.agreement[rater] = runs
        self.state.raters.comparisons[rater] = runs

    def _add(self, **values: float) -> None:
        blank = {
            "ritual": -1,
            "assistant_ritual": -1,
            "pair": -1,
            "rater": -1,
            "prompt_cohort": -1,
            "prompt_rater": -1,
            "provenance": Provenance.EXECUTED,
            "team": -1,
            "prompt_team": -1,
            "claimed_pair": -1,
            "team_ritual": -1,
            "own_baseline": np.nan,
            "runs": 1.0,
            "at_days": TODAY,
            "baseline": np.nan,
            "admissible": True,
        }
        self.rows.append(blank | values)

    def events(self) -> ReputationEvents:
        said, self.rows = self.rows, []
        kinds = {"Ints": np.int64, "Floats": np.float64, "Bools": np.bool_}
        return ReputationEvents(
            **{
                field.name: np.array(
                    [row[field.name] for row in said], dtype=kinds[str(field.type).split(" ")[0]]
                )
                for field in dataclasses.fields(ReputationEvents)
            }
        )

    def fold(self) -> ReputationEffects:
        return prompt_model.fold(self.policy, self.state, self.events())

    def score(self, prompt: int = 0, *, now: float = TODAY) -> PromptScore:
        if self.rows:
            self.fold()
        return prompt_readout.compute_score(self.policy, self.state, prompt, now_days=now)


def bits(state: ReputationState) -> bytes:
    """Every number of a state, so that equal means equal to the last bit."""
    groups = [getattr(state, field.name) for field in dataclasses.fields(state)]
    return b"".join(column.tobytes() for group in groups for column in group)


def part(events: ReputationEvents, chosen: slice) -> ReputationEvents:
    return ReputationEvents(**{name: getattr(events, name)[chosen] for name in COLUMNS})


def random_log(*, seed: int, events: int) -> tuple[Log, ReputationEvents]:
    """A log of every kind of event, forks, late arrivals and inadmissible ones included."""
    rng = np.random.default_rng(seed)
    log = Log()
    for child in range(2, PROMPTS):
        log.fork(child, of=int(rng.integers(0, child)))
    now = TODAY
    for _ in range(events):
        now += rng.exponential(2.0)
        at = now - rng.exponential(20.0) * (rng.random() < 0.2)
        prompt, score = int(rng.integers(0, PROMPTS)), float(rng.random())
        admissible = bool(rng.random() < 0.9)
        kind = EvidenceKind(int(rng.integers(0, 6)))
        if kind <= EvidenceKind.REPLAY:
            log.measured(
                prompt,
                score,
                runs=float(rng.integers(1, 50)),
                assistant=int(rng.integers(0, ASSISTANTS)),
                ritual=int(rng.integers(0, RITUALS)),
                baseline=float(rng.uniform(0.3, 0.7)),
                at=at,
                kind=kind,
                admissible=admissible,
            )
        elif kind <= EvidenceKind.RATING:
            rater = int(rng.integers(0, 12))
            log.opinion(
                prompt,
                score,
                rater=rater,
                cohort=rater % COHORTS,
                at=at,
                kind=kind,
                admissible=admissible,
            )
        else:
            log.other(kind, prompt)
    return log, log.events()
