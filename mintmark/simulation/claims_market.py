"""A market in which teams report measured outcomes, some falsely, and some of what they claim is run again.

One task of 20 cases. Prompts have a true quality, cells (model × prompt) and cases differ from it. The installation
executes some cells itself. Teams report outcomes of their assistants, each on some model; honest harnesses differ from
the installation's a little. Claims arrive in rounds; after each, as many claims are run again as the share of audits
allows, the teams' records are learned, and what changed is weighed again, all through the code that scores the live
log.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mintmark.common.evidence_kinds import EvidenceKind
from mintmark.common.provenance import Provenance
from mintmark.scoring import (
    audit_choice,
    prior_strength,
    prompt_model,
    prompt_readout,
    reporter_record,
)
from mintmark.scoring.prompt_model import ReputationEvents
from mintmark.scoring.prompt_state import Bools, Floats, Ints, ReputationState
from mintmark.scoring.reputation_constants import ReputationPolicy

PROMPTS, MODELS, CASES, ROUNDS = 60, 12, 20, 20
QUALITY = (4.0, 3.0)
CELL_SD, CASE_SD = 0.08, 1.5
HARNESS_SD = (0.03, 0.05)
EXECUTED_SHARE = 0.15
# A cell that a team reports: the share of its assistants' cells, and the runs (one a case).
REPORTED_SHARE = 0.3
NOW = 20_000.0
# A record is weighed again when its λ changed by more than this share of itself.
MIN_CHANGE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedCells:
    """What teams report: one element a claim. `verdicts` (n, CASES) are the mean scores of the cases, `runs` the runs
    in all, `checkable` whether the installation can run it again."""

    team: Ints
    model: Ints
    prompt: Ints
    round: Ints
    verdicts: Floats
    runs: Floats
    checkable: Bools

    def select(self, chosen: Bools | Ints) -> ReportedCells:
        return ReportedCells(
            **{name: getattr(self, name)[chosen] for name in ReportedCells.__dataclass_fields__}
        )

    def join(self, other: ReportedCells) -> ReportedCells:
        return ReportedCells(
            **{
                name: np.concatenate([getattr(self, name), getattr(other, name)])
                for name in ReportedCells.__dataclass_fields__
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimsWorld:
    """The truth: `quality` (PROMPTS,) of the prompts, `cases` (MODELS, PROMPTS, CASES) the chance of success of each
    case; which cells the installation executes on its own and in which round; and what honest teams report."""

    quality: Floats
    cases: Floats
    executed_model: Ints
    executed_prompt: Ints
    executed_round: Ints
    executed_verdicts: Floats
    honest: ReportedCells
    harness: Floats


@dataclass(slots=True)
class PlayedClaims:
    """The end of a market: scores by method, each team's λ, and how many audits were run."""

    scores: dict[str, Floats]
    false_share: Floats
    audits: int
    audited_teams: Ints


def create_world(
    rng: np.random.Generator, *, teams: int, executed_share: float = EXECUTED_SHARE
) -> ClaimsWorld:
    """Draw the truth and honest reports of all `teams`."""
    quality = rng.beta(*QUALITY, size=PROMPTS)
    cell = np.clip(quality + rng.normal(0.0, CELL_SD, (MODELS, PROMPTS)), 0.02, 0.98)
    level = np.log(cell / (1.0 - cell))
    difficulty = rng.normal(0.0, CASE_SD, CASES)
    cases = 1.0 / (1.0 + np.exp(-(level[..., None] * 1.3 + difficulty)))
    cells = rng.permutation(MODELS * PROMPTS)[: round(executed_share * MODELS * PROMPTS)]
    model, prompt = cells // PROMPTS, cells % PROMPTS
    harness = rng.normal(0.0, 1.0, teams) * rng.uniform(*HARNESS_SD, teams)
    assistants = rng.integers(1, 6, teams)
    team = np.repeat(np.arange(teams), assistants)
    assistant_model = rng.integers(0, MODELS, len(team))
    reports = rng.random((len(team), PROMPTS)) < REPORTED_SHARE
    row, reported = np.nonzero(reports)
    world = ClaimsWorld(
        quality=cases.mean(axis=(0, 2)),
        cases=cases,
        executed_model=model,
        executed_prompt=prompt,
        executed_round=rng.integers(0, ROUNDS, len(cells)) * (rng.random(len(cells)) < 0.5),
        executed_verdicts=_draw_runs(cases[model, prompt], rng),
        honest=ReportedCells(
            team=team[row],
            model=assistant_model[row],
            prompt=reported,
            round=rng.integers(0, ROUNDS, len(row)),
            verdicts=_draw_runs(
                cases[assistant_model[row], reported] + harness[team[row], None], rng
            ),
            runs=np.full(len(row), float(CASES)),
            checkable=np.ones(len(row), dtype=np.bool_),
        ),
        harness=harness,
    )
    return world


def report_honestly(
    world: ClaimsWorld,
    team: Ints,
    model: Ints,
    prompt: Ints,
    round_of: Ints,
    rng: np.random.Generator,
) -> ReportedCells:
    """Reports of these cells as an honest team would make them."""
    harness = world.harness[team % len(world.harness)]
    return ReportedCells(
        team=team,
        model=model,
        prompt=prompt,
        round=round_of,
        verdicts=_draw_runs(world.cases[model, prompt] + harness[:, None], rng),
        runs=np.full(len(team), float(CASES)),
        checkable=np.ones(len(team), dtype=np.bool_),
    )


def play(
    world: ClaimsWorld,
    reported: ReportedCells,
    *,
    policy: ReputationPolicy,
    rng: np.random.Generator,
    audit_share: float = audit_choice.DEFAULT_SHARE,
    executable: bool = True,
) -> PlayedClaims:
    """Fold executions and reports round by round, with audits after each round."""
    market = _Market(
        policy=learn_policy(world, policy), teams=int(reported.team.max(initial=0)) + 1
    )
    market.executable = executable
    known = reported.select(np.zeros(0, dtype=np.int64))
    for now in range(ROUNDS):
        ran = np.flatnonzero((world.executed_round == now) & executable)
        market.execute(
            world.executed_model[ran], world.executed_prompt[ran], world.executed_verdicts[ran]
        )
        new = reported.select(reported.round == now)
        market.report(new)
        known = known.join(new)
        if executable:
            market.audit(world, known, new, share=audit_share, rng=rng)
    return market.finish(reported)


def learn_policy(world: ClaimsWorld, policy: ReputationPolicy) -> ReputationPolicy:
    """`policy` with κ learned from what the installation executed, as `mintmark calibrate` does."""
    if not len(world.executed_model):
        return policy
    market = _Market(policy=policy, teams=1)
    market.execute(world.executed_model, world.executed_prompt, world.executed_verdicts)
    return prior_strength.learn(
        policy,
        market.state,
        pair_prompt=np.tile(np.arange(PROMPTS), len(market.state.pairs.at) // PROMPTS),
        ritual_keys=("task",),
    )


@dataclass(slots=True)
class _Market:
    policy: ReputationPolicy
    teams: int
    executable: bool = True
    executed_sum: float = 0.0
    executed_runs: float = 0.0
    budget: float = 0.0
    audits: int = 0
    state: ReputationState = field(init=False)
    believing: ReputationState = field(init=False)
    weighed: dict[tuple[int, int], float] = field(default_factory=dict)
    audited_team: list[int] = field(default_factory=list)
    audited_prompt: list[int] = field(default_factory=list)
    densities: list[float] = field(default_factory=list)
    differences: list[float] = field(default_factory=list)
    variances: list[float] = field(default_factory=list)
    audit_of: list[int] = field(default_factory=list)
    rerun_count: int = 0
    squares: list[float] = field(default_factory=list)
    square_variances: list[float] = field(default_factory=list)
    first_runs: dict[tuple[int, int], Floats] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.state = self._create_state()
        self.believing = self._create_state()

    def _create_state(self) -> ReputationState:
        state = ReputationState.create_initial(
            policy=self.policy,
            prompts=PROMPTS,
            rituals=1,
            assistant_rituals=MODELS,
            pairs=(MODELS + self.teams * MODELS) * PROMPTS,
            claimed_pairs=self.teams * MODELS * PROMPTS,
            prompt_teams=self.teams * PROMPTS,
            teams=self.teams,
            team_rituals=self.teams,
        )
        state.rituals.kappa[:] = self.policy.get_kappas(("task",))
        return state

    @property
    def home(self) -> float:
        """What an average prompt scores, from executed runs; one half before any."""
        return (self.executed_sum + 0.5) / (self.executed_runs + 1.0)

    def execute(self, model: Ints, prompt: Ints, verdicts: Floats) -> None:
        """Runs by the installation itself, (n, cases) each."""
        if not len(model):
            return
        self.executed_sum += float(verdicts.sum())
        self.executed_runs += float(verdicts.size)
        events = self._build_events(
            kind=EvidenceKind.OUTCOME,
            prompt=prompt,
            score=verdicts.mean(axis=1),
            runs=np.full(len(model), float(verdicts.shape[1])),
            pair=model * PROMPTS + prompt,
            assistant_ritual=model,
        )
        for state in (self.state, self.believing):
            prompt_model.fold(self.policy, state, events)
        if verdicts.shape[1] == CASES:
            for m, p, row in zip(model.tolist(), prompt.tolist(), verdicts, strict=True):
                self.first_runs[m, p] = row

    def report(self, new: ReportedCells) -> None:
        """Fold reports, by the rule and as if everybody were believed."""
        cell = (new.team * MODELS + new.model) * PROMPTS + new.prompt
        shared: dict[str, Any] = {
            "kind": EvidenceKind.OUTCOME,
            "prompt": new.prompt,
            "score": new.verdicts.mean(axis=1),
            "runs": new.runs,
        }
        ours = self._build_events(
            **shared,
            provenance=np.where(new.checkable, Provenance.CLAIM, Provenance.WORD).astype(np.int64),
            team=new.team,
            prompt_team=new.team * PROMPTS + new.prompt,
            claimed_pair=cell,
        )
        prompt_model.fold(self.policy, self.state, ours)
        believed = self._build_events(**shared, pair=MODELS * PROMPTS + cell)
        prompt_model.fold(self.policy, self.believing, believed)

    def audit(
        self,
        world: ClaimsWorld,
        known: ReportedCells,
        new: ReportedCells,
        *,
        share: float,
        rng: np.random.Generator,
    ) -> None:
        """Run some claims again, judge every claim of those cells, and weigh again what changed."""
        self.budget += audit_choice.count_audits(new.runs, share=share)
        audits = int(self.budget)
        candidates = np.flatnonzero(known.checkable)
        if audits < 1 or not len(candidates):
            return
        claims = known.select(candidates)
        chosen = audit_choice.choose_claims(
            team=claims.team,
            prompt=claims.prompt,
            pull=self._pull(claims),
            moved=self._compute_moves()[claims.prompt],
            audits=audits,
            rng=rng,
        )
        self.budget -= len(chosen)
        self.audits += len(chosen)
        variance = max(0.0475, self.home * (1.0 - self.home))
        phi = reporter_record.learn_noise_share(
            np.array(self.squares), np.array(self.square_variances)
        )
        for position in chosen.tolist():
            model, prompt = int(claims.model[position]), int(claims.prompt[position])
            cases = rng.choice(CASES, audit_choice.CASES_EACH, replace=False)
            rerun = _draw_runs(world.cases[model, prompt, cases], rng)
            if (model, prompt) in self.first_runs:
                first = self.first_runs[model, prompt][cases]
                self.squares += ((first - rerun) ** 2).tolist()
                self.square_variances += [variance] * len(cases)
            self.rerun_count += 1
            for judged in np.flatnonzero(
                (claims.model == model) & (claims.prompt == prompt)
            ).tolist():
                team = int(claims.team[judged])
                self.audited_team.append(team)
                self.audited_prompt.append(prompt)
                density = reporter_record.compute_honest_density(
                    reporter_record.Verdict(
                        difference=float(claims.verdicts[judged, cases].mean() - rerun.mean()),
                        cases=len(cases),
                        variance=variance,
                        noise_share=phi,
                    ),
                    harness_sd=self.policy.harness_sd,
                )
                self.densities.append(density)
                self.differences.append(float(claims.verdicts[judged, cases].mean() - rerun.mean()))
                self.variances.append(phi * variance / len(cases))
                self.audit_of.append(self.rerun_count)
            self.execute(np.array([model]), np.array([prompt]), rerun[None, :])
        self._weigh_again(known)

    def _learn_records(self) -> reporter_record.Records:
        return reporter_record.learn_records(
            team=np.array(self.audited_team, dtype=np.int64),
            prompt=np.array(self.audited_prompt, dtype=np.int64),
            density=np.array(self.densities, dtype=float),
            teams=self.teams,
            prompts=PROMPTS,
            harness_sd=self.policy.harness_sd,
            false_distance=self.policy.false_distance,
            difference=np.array(self.differences),
            variance=np.array(self.variances),
            audit=np.array(self.audit_of, dtype=np.int64),
        )

    def _weigh_again(self, known: ReportedCells) -> None:
        records = self._learn_records()
        changed: dict[EvidenceKind, list[tuple[int, int, float]]] = {
            EvidenceKind.REWEIGH_TEAM: [],
            EvidenceKind.REWEIGH_PROMPT: [],
        }
        for place in np.unique(known.team * PROMPTS + known.prompt).tolist():
            team, prompt = divmod(place, PROMPTS)
            if records.verdicts[team] < self.policy.min_verdicts:
                continue
            for kind, key, share in (
                (EvidenceKind.REWEIGH_TEAM, -1, float(records.team_share[team])),
                (EvidenceKind.REWEIGH_PROMPT, prompt, records.compute_pair_share(team, prompt)),
            ):
                weighed = self.weighed.get((team, key), -1.0)
                if abs(share - weighed) > MIN_CHANGE * weighed:
                    self.weighed[team, key] = share
                    changed[kind].append((team, prompt, share))
        for kind, rows in changed.items():
            if not rows:
                continue
            team_of = np.array([team for team, _, _ in rows])
            prompt_of = np.array([prompt for _, prompt, _ in rows])
            events = self._build_events(
                kind=kind,
                prompt=prompt_of,
                score=np.array([share for _, _, share in rows]),
                runs=records.verdicts[team_of].astype(float),
                team=team_of,
                prompt_team=team_of * PROMPTS + prompt_of,
            )
            prompt_model.fold(self.policy, self.state, events)

    def _pull(self, claims: ReportedCells) -> Floats:
        placed = self.state.prompt_teams.placed[claims.team * PROMPTS + claims.prompt].sum(axis=1)
        score = self._scores(self.state)[claims.prompt]
        pull: Floats = placed * np.abs(claims.verdicts.mean(axis=1) - score)
        return pull

    def _compute_moves(self) -> Floats:
        columns = prompt_readout.compute_scores(
            self.policy, self.state, np.arange(PROMPTS), now_days=NOW
        )
        executed = columns.amounts[:, :2].sum(axis=1) * columns.n
        size = columns.kappa + columns.weights[:, :2].sum(axis=1)
        moved: Floats = columns.trust_score - (columns.prior + executed / size)
        return moved

    def _scores(self, state: ReputationState) -> Floats:
        return prompt_readout.compute_scores(
            self.policy, state, np.arange(PROMPTS), now_days=NOW
        ).trust_score

    def finish(self, reported: ReportedCells) -> PlayedClaims:
        records = self._learn_records()
        columns = prompt_readout.compute_scores(
            self.policy, self.state, np.arange(PROMPTS), now_days=NOW
        )
        executed = columns.amounts[:, :2].sum(axis=1) * columns.n
        size = columns.kappa + columns.weights[:, :2].sum(axis=1)
        return PlayedClaims(
            scores={
                "mintmark": columns.trust_score,
                "believing everybody": self._scores(self.believing),
                "executed alone": columns.prior + executed / size,
            },
            false_share=records.team_share,
            audits=self.audits,
            audited_teams=records.verdicts,
        )

    def _build_events(
        self,
        *,
        kind: EvidenceKind,
        prompt: Ints,
        score: Floats,
        runs: Floats,
        provenance: Ints | None = None,
        team: Ints | None = None,
        prompt_team: Ints | None = None,
        claimed_pair: Ints | None = None,
        pair: Ints | None = None,
        assistant_ritual: Ints | None = None,
    ) -> ReputationEvents:
        n = len(prompt)
        nowhere = np.full(n, -1, dtype=np.int64)

        def or_none(rows: Ints | None) -> Ints:
            return nowhere if rows is None else rows

        return ReputationEvents(
            kind=np.full(n, int(kind), dtype=np.int64),
            provenance=np.zeros(n, dtype=np.int64) if provenance is None else provenance,
            prompt=prompt,
            ritual=np.zeros(n, dtype=np.int64),
            assistant_ritual=or_none(assistant_ritual),
            pair=or_none(pair),
            rater=nowhere,
            prompt_cohort=nowhere,
            prompt_rater=nowhere,
            team=or_none(team),
            prompt_team=or_none(prompt_team),
            claimed_pair=or_none(claimed_pair),
            team_ritual=nowhere,
            score=score,
            runs=runs,
            at_days=np.full(n, NOW),
            baseline=np.full(n, self.home),
            own_baseline=np.full(n, self.home),
            admissible=np.ones(n, dtype=np.bool_),
        )


def _draw_runs(chances: Floats, rng: np.random.Generator) -> Floats:
    return (rng.random(chances.shape) < np.clip(chances, 0.0, 1.0)).astype(float)
