"""What verdicts change: the share of false claims of each team, and of its claims about each prompt.

All records are learned from all verdicts at once. What changed by more than `MIN_CHANGE` enters the log as reweigh
events, so that a replay of the log gives the same scores.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db.models import Max

from mintmark.common.evidence_kinds import EvidenceKind
from mintmark.common.provenance import Provenance
from mintmark.evidence.log import LogEntry
from mintmark.evidence.models import ClaimVerdict, Event
from mintmark.scoring import reporter_record
from mintmark.scoring.reputation_constants import ReputationPolicy

from .models import ClaimAudit

MIN_CHANGE = 0.1
"""A share is entered anew when it changed by more than this part of itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedRecords:
    """The records of all teams with verdicts; `team_at` and `prompt_at` are their rows in `records`."""

    records: reporter_record.Records
    team_at: dict[int, int]
    prompt_at: dict[int, int]

    def get_team_share(self, team_id: int) -> float:
        """λ of a team with verdicts."""
        return float(self.records.team_share[self.team_at[team_id]])

    def get_pair_share(self, team_id: int, prompt_id: int) -> float:
        """λ of the claims of a team with verdicts about a prompt."""
        if prompt_id not in self.prompt_at:
            return self.get_team_share(team_id)
        return self.records.compute_pair_share(self.team_at[team_id], self.prompt_at[prompt_id])

    def count_verdicts(self, team_id: int) -> int:
        """How many verdicts count for a team."""
        return int(self.records.verdicts[self.team_at[team_id]])


def learn_records(*, policy: ReputationPolicy) -> LearnedRecords:
    """Learn from all verdicts. One that a team asked for itself counts only against it."""
    verdicts = ClaimVerdict.objects.exclude(is_credit=False, held=True)
    rows = list(
        verdicts.order_by("execution", "id").values_list(
            "event__cohort",
            "event__prompt",
            "claimed",
            "executed",
            "cases",
            "variance",
            "noise_share",
            "execution",
        )
    )
    team_at = {team: at for at, team in enumerate(sorted({row[0] for row in rows}))}
    prompt_at = {prompt: at for at, prompt in enumerate(sorted({row[1] for row in rows}))}
    densities = [
        reporter_record.compute_honest_density(
            reporter_record.Verdict(
                difference=claimed - executed, cases=cases, variance=variance, noise_share=noise
            ),
            harness_sd=policy.harness_sd,
        )
        for _, _, claimed, executed, cases, variance, noise, _ in rows
    ]
    records = reporter_record.learn_records(
        team=np.array([team_at[row[0]] for row in rows], dtype=np.int64),
        prompt=np.array([prompt_at[row[1]] for row in rows], dtype=np.int64),
        density=np.array(densities, dtype=float),
        difference=np.array(
            [claimed - executed for _, _, claimed, executed, *_ in rows], dtype=float
        ),
        variance=np.array(
            [noise * variance / cases for *_, cases, variance, noise, _ in rows], dtype=float
        ),
        audit=np.array([row[-1] for row in rows], dtype=np.int64),
        teams=len(team_at),
        prompts=len(prompt_at),
        harness_sd=policy.harness_sd,
        false_distance=policy.false_distance,
    )
    return LearnedRecords(records=records, team_at=team_at, prompt_at=prompt_at)


def build_entries(*, audit: ClaimAudit, policy: ReputationPolicy, now: datetime) -> list[LogEntry]:
    """The reweigh events after an audit: of teams with enough verdicts, what changed since it was entered last."""
    learned = learn_records(policy=policy)
    teams = [
        team for team in learned.team_at if learned.count_verdicts(team) >= policy.min_verdicts
    ]
    places = list(
        Event.objects.filter(provenance=Provenance.CLAIM, cohort__in=teams)
        .values_list("cohort", "prompt")
        .distinct()
        .order_by("cohort", "prompt")
    )
    entered = _load_entered(teams)

    def build() -> Iterator[LogEntry]:
        done: set[int] = set()
        for team, prompt in places:
            share = learned.get_team_share(team)
            verdicts = learned.count_verdicts(team)
            if team not in done and _has_changed(share, entered.get((team, None))):
                yield _build_entry(
                    audit, EvidenceKind.REWEIGH_TEAM, team, prompt, share, verdicts, now
                )
            done.add(team)
            pair_share = learned.get_pair_share(team, prompt)
            if _has_changed(pair_share, entered.get((team, prompt))):
                yield _build_entry(
                    audit, EvidenceKind.REWEIGH_PROMPT, team, prompt, pair_share, verdicts, now
                )

    return list(build())


def _has_changed(share: float, entered: float | None) -> bool:
    return entered is None or abs(share - entered) > MIN_CHANGE * entered


def _load_entered(teams: list[int]) -> dict[tuple[int, int | None], float]:
    """The shares that the log has, by team and by team and prompt."""
    reweighs = Event.objects.filter(cohort__in=teams, provenance=Provenance.EXECUTED)
    by_team = reweighs.filter(kind=EvidenceKind.REWEIGH_TEAM).values("cohort")
    by_pair = reweighs.filter(kind=EvidenceKind.REWEIGH_PROMPT).values("cohort", "prompt")
    newest = [row["newest"] for row in by_team.annotate(newest=Max("id")).order_by()]
    newest_pairs = [row["newest"] for row in by_pair.annotate(newest=Max("id")).order_by()]
    entered: dict[tuple[int, int | None], float] = {}
    for pks, is_pair in ((newest, False), (newest_pairs, True)):
        for start in range(0, len(pks), 5_000):
            rows = Event.objects.filter(pk__in=pks[start : start + 5_000])
            for team, prompt, share in rows.values_list("cohort", "prompt", "score"):
                entered[team, prompt if is_pair else None] = share
    return entered


def _build_entry(
    audit: ClaimAudit,
    kind: EvidenceKind,
    team: int,
    prompt: int,
    share: float,
    verdicts: int,
    now: datetime,
) -> LogEntry:
    is_team = kind == EvidenceKind.REWEIGH_TEAM
    about = "all its claims" if is_team else "its claims about this prompt"
    return LogEntry(
        kind=int(kind),
        prompt_id=prompt,
        assistant_id=None,
        ritual_id=None,
        cohort=team,
        admissible=True,
        score=min(1.0, max(0.0, share)),
        runs=max(1, verdicts),
        tags=(f"audit:{audit.pk}",),
        note=f"after audit {audit.pk}: the false share of {about}, from {verdicts} verdicts",
        occurred_at=now,
        key=f"audit:{audit.pk}:{'team' if is_team else f'prompt:{prompt}'}:{team}",
        provenance=Provenance.EXECUTED,
    )
