"""Attack the scoring of claims: teams that report false outcomes, in every way that docs/attacks.md names.

Half of the teams lie, or one alone. Each attack is played into the same market as peace (`claims_market`), and the
displacement of the attacked prompts is compared with what it is where everybody is believed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mintmark.scoring import audit_choice
from mintmark.scoring.prompt_state import Floats, Ints
from mintmark.scoring.reputation_constants import ReputationPolicy
from mintmark.simulation import claims_market
from mintmark.simulation.claims_market import CASES, MODELS, PROMPTS, ROUNDS, ReportedCells

TEAMS = 40
TARGETS = 6
ATTACKS = (
    "plain", "camouflage", "mixed", "ring", "made-up assistants", "private models", "a million runs", "slow drip",
    "new identities", "nothing executable", "late turn", "small lies", "known cases", "camouflage on the page",
    "slow turn", "audit rule known",
)  # fmt: skip
# The round from which these lie; before it they report other prompts honestly.
_TURNS_AT = {
    "camouflage": ROUNDS // 2,
    "late turn": ROUNDS - 2,
    "audit rule known": 3 * ROUNDS // 4,
}
METHODS = ("mintmark", "believing everybody", "executed alone")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimAttackResult:
    """Displacement of attacked scores in the attacker's direction, by method: the mean over seeds and targets, the 95th
    percentile, and the largest. `distrusted` are the shares of lying and of honest teams with λ above 0.3."""

    attack: str
    liars: int
    mean: dict[str, float]
    p95: dict[str, float]
    largest: dict[str, float]
    liars_distrusted: float
    honest_distrusted: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimPeace:
    """Where nobody lies: the mean error of the scores by method, the honest teams that are distrusted, and audits."""

    error: dict[str, float]
    honest_distrusted: float
    audits: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimAttackReport:
    """Peace, and every attack by each number of lying teams. `audited` is the share of claimed runs that is run
    again."""

    seeds: int
    teams: int
    audited: float
    peace: ClaimPeace
    attacks: tuple[ClaimAttackResult, ...]


def simulate(
    *,
    policy: ReputationPolicy,
    seeds: int,
    first_seed: int = 0,
    attacks: Sequence[str] = ATTACKS,
    liars: Sequence[int] = (TEAMS // 2, 1),
    audited: float = audit_choice.DEFAULT_SHARE,
    progress: Callable[[str], None] = lambda _: None,
) -> ClaimAttackReport:
    """Play peace and every one of `attacks` by each number of `liars` on `seeds` markets; the same arguments give the
    same numbers."""
    progress(f"nobody lies: {seeds} markets")
    errors: list[dict[str, float]] = []
    distrusted, audits = [], []
    for seed in range(first_seed, first_seed + seeds):
        rng = np.random.default_rng([seed, 0])
        world = claims_market.create_world(rng, teams=TEAMS)
        played = claims_market.play(
            world, world.honest, policy=policy, rng=rng, audit_share=audited
        )
        errors.append({m: float(np.abs(played.scores[m] - world.quality).mean()) for m in METHODS})
        distrusted.append(float((played.false_share > 0.3).mean()))
        audits.append(played.audits)
    results = []
    for lying in liars:
        for attack in attacks:
            progress(f"{attack}: {lying} of {TEAMS} teams")
            results.append(
                run_attack(
                    attack,
                    liars=lying,
                    policy=policy,
                    seeds=range(first_seed, first_seed + seeds),
                    audited=audited,
                )
            )
    return ClaimAttackReport(
        seeds=seeds,
        teams=TEAMS,
        audited=audited,
        peace=ClaimPeace(
            error={m: float(np.mean([e[m] for e in errors])) for m in METHODS},
            honest_distrusted=float(np.mean(distrusted)),
            audits=float(np.mean(audits)),
        ),
        attacks=tuple(results),
    )


def run_attack(
    attack: str,
    *,
    liars: int,
    policy: ReputationPolicy,
    seeds: Sequence[int],
    audited: float = audit_choice.DEFAULT_SHARE,
) -> ClaimAttackResult:
    """One attack on every seed, beside the same market in which the same teams are honest."""
    moved: dict[str, list[float]] = {m: [] for m in METHODS}
    caught, wronged = [], []
    for seed in seeds:
        executable = attack != "nothing executable"
        rng = np.random.default_rng([seed, 1])
        world = claims_market.create_world(
            rng, teams=TEAMS, executed_share=claims_market.EXECUTED_SHARE if executable else 0.0
        )
        targets = rng.choice(PROMPTS, TARGETS, replace=False)
        vote = (world.quality[targets] < np.median(world.quality)).astype(float)
        is_liar = np.arange(TEAMS) < liars
        honest = world.honest.select(~is_liar[world.honest.team])
        lies = build_lies(attack, world, targets=targets, vote=vote, liars=liars, rng=rng)
        peace_rng, attack_rng = (np.random.default_rng([seed, 2]) for _ in range(2))
        peace = claims_market.play(
            world, honest, policy=policy, rng=peace_rng, executable=executable, audit_share=audited
        )
        played = claims_market.play(
            world,
            honest.join(lies),
            policy=policy,
            rng=attack_rng,
            executable=executable,
            audit_share=audited,
        )
        for m in METHODS:
            change = played.scores[m][targets] - peace.scores[m][targets]
            moved[m] += (change * np.where(vote > 0.5, 1.0, -1.0)).tolist()
        lying = np.unique(lies.team)
        caught.append(float((played.false_share[lying] > 0.3).mean()))
        wronged.append(float((played.false_share[liars:TEAMS] > 0.3).mean()))
    return ClaimAttackResult(
        attack=attack,
        liars=liars,
        mean={m: float(np.mean(v)) for m, v in moved.items()},
        p95={m: float(np.quantile(v, 0.95)) for m, v in moved.items()},
        largest={m: float(np.max(v)) for m, v in moved.items()},
        liars_distrusted=float(np.mean(caught)),
        honest_distrusted=float(np.mean(wronged)),
    )


def build_lies(
    attack: str,
    world: claims_market.ClaimsWorld,
    *,
    targets: Ints,
    vote: Floats,
    liars: int,
    rng: np.random.Generator,
) -> ReportedCells:
    """Everything that the lying teams report."""
    assistants = 20 if attack == "made-up assistants" else 3
    identities = 5 if attack == "new identities" else 1
    team = np.repeat(np.arange(liars), assistants)
    model = rng.integers(0, MODELS, len(team))
    aims = np.arange(TARGETS)
    if attack == "ring":  # each pushes the target of another alone
        pairs = [(i, int(team[i] + 1) % TARGETS) for i in range(len(team))]
    else:
        pairs = [(i, int(aim)) for i in range(len(team)) for aim in aims]
    row = np.array([i for i, _ in pairs])
    aim = np.array([a for _, a in pairs])
    when = rng.integers(0, ROUNDS, len(row))
    if attack in _TURNS_AT:
        when = rng.integers(_TURNS_AT[attack], ROUNDS, len(row))
    verdicts = np.repeat(vote[aim][:, None], CASES, axis=1)
    if attack == "mixed":
        true = rng.random(verdicts.shape) < world.cases[model[row], targets[aim]]
        verdicts = np.where(rng.random((len(row), 1)) < 0.5, verdicts, true)
    if attack == "small lies":
        true = (rng.random(verdicts.shape) < world.cases[model[row], targets[aim]]).astype(float)
        verdicts = np.where(rng.random(verdicts.shape) < 0.3, verdicts, true)
    if (
        attack == "known cases"
    ):  # the three easiest or hardest cases alone are reported falsely often
        true = (rng.random(verdicts.shape) < world.cases[model[row], targets[aim]]).astype(float)
        verdicts = np.where(np.arange(CASES) < CASES // 2, verdicts, true)
    if attack == "slow turn":  # ever more lies, round by round
        true = (rng.random(verdicts.shape) < world.cases[model[row], targets[aim]]).astype(float)
        verdicts = np.where(rng.random((len(row), 1)) * ROUNDS < when[:, None], verdicts, true)
    if attack == "audit rule known":  # late, no further off than a re-run of three cases can tell
        off = np.where(vote[aim] > 0.5, 0.25, -0.25)[:, None]
        chance = np.clip(world.cases[model[row], targets[aim]] + off, 0.0, 1.0)
        verdicts = (rng.random(verdicts.shape) < chance).astype(float)
    runs = float(CASES)
    if attack == "a million runs":
        runs = 1_000_000.0
    lies = ReportedCells(
        team=_spread_identities(team[row], identities, liars, rng),
        model=model[row],
        prompt=targets[aim],
        round=when,
        verdicts=verdicts.astype(float),
        runs=np.full(len(row), runs),
        checkable=np.full(len(row), attack not in ("private models", "nothing executable")),
    )
    if attack == "slow drip":
        lies = _drip(lies)
    if attack in (*_TURNS_AT, "camouflage on the page", "mixed", "slow turn"):
        lies = lies.join(_report_elsewhere(attack, world, team, model, targets, rng))
    return lies


def _spread_identities(team: Ints, identities: int, liars: int, rng: np.random.Generator) -> Ints:
    """The same lies under so many team names a liar; new names follow those of the honest teams."""
    if identities == 1:
        return team
    name = rng.integers(0, identities, len(team))
    spread: Ints = np.where(name == 0, team, TEAMS + (name - 1) * liars + team)
    return spread


def _drip(lies: ReportedCells) -> ReportedCells:
    """The same lies one case at a time, over all rounds."""
    n = len(lies.team)
    repeated = lies.select(np.repeat(np.arange(n), ROUNDS))
    return ReportedCells(
        team=repeated.team,
        model=repeated.model,
        prompt=repeated.prompt,
        round=np.tile(np.arange(ROUNDS), n),
        verdicts=repeated.verdicts,
        runs=np.maximum(1.0, repeated.runs / ROUNDS),
        checkable=repeated.checkable,
    )


def _report_elsewhere(
    attack: str,
    world: claims_market.ClaimsWorld,
    team: Ints,
    model: Ints,
    targets: Ints,
    rng: np.random.Generator,
) -> ReportedCells:
    """Honest reports of other prompts by the same teams, before or beside their lies. Camouflage on the page reports
    what the page says already, without a run."""
    others = np.setdiff1d(np.arange(PROMPTS), targets)
    row = np.repeat(np.arange(len(team)), 20)
    prompt = rng.choice(others, len(row))
    last = _TURNS_AT.get(attack, ROUNDS)
    elsewhere = claims_market.report_honestly(
        world, team[row], model[row], prompt, rng.integers(0, last, len(row)), rng
    )
    if attack != "camouflage on the page":
        return elsewhere
    copied = rng.random(elsewhere.verdicts.shape) < world.quality[prompt][:, None]
    return ReportedCells(
        team=elsewhere.team,
        model=elsewhere.model,
        prompt=elsewhere.prompt,
        round=elsewhere.round,
        verdicts=copied.astype(float),
        runs=elsewhere.runs,
        checkable=elsewhere.checkable,
    )
