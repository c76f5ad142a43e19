"""Decide where evidence comes from, when it enters: what it may count for follows from that (`common.provenance`)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Sum

from mintmark.accounts.callers import Caller
from mintmark.common import evidence_kinds
from mintmark.common.provenance import Provenance
from mintmark.evidence.models import Event, Vouch
from mintmark.registry import interests, ritual_cases
from mintmark.registry.models import Assistant, Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Who reports about what: the team of the measured assistant (the caller's own where there is none, 0 for none),
    and whether the claim can be run again here, case by case."""

    prompt_id: int
    team_id: int
    is_checkable: bool


def decide_provenance(*, caller: Caller, reports: Sequence[Report]) -> list[Provenance]:
    """The provenance of each report by this caller."""
    if is_vouched_for(caller=caller):
        return [Provenance.VOUCHED] * len(reports)
    prompt_ids = {report.prompt_id for report in reports}
    authorship = interests.find_authorship(prompt_ids=prompt_ids)
    entitled = interests.find_entitled_teams(
        prompt_ids=prompt_ids, team_ids={report.team_id for report in reports}
    )

    def decide(report: Report) -> Provenance:
        teams = {report.team_id, *caller.team_ids}
        if authorship[report.prompt_id].team_ids & teams:
            return Provenance.INTERESTED
        if (report.prompt_id, report.team_id) not in entitled:
            return Provenance.NO_RIGHT
        return Provenance.CLAIM if report.is_checkable else Provenance.WORD

    return [decide(report) for report in reports]


def count_runs(*, assistant: Assistant, prompt: Prompt) -> dict[str, int]:
    """All measured runs of a pairing, by the name of their provenance; what is older than provenance is word."""
    measured = Event.objects.filter(
        assistant=assistant, prompt=prompt, kind__in=sorted(evidence_kinds.MEASURED)
    )
    counts: Counter[str] = Counter()
    for number, runs in measured.values_list("provenance").annotate(Sum("runs")).order_by():
        provenance = Provenance.WORD if number is None else Provenance(number)
        counts[provenance.name.lower()] += runs
    return dict(sorted(counts.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedCases:
    """The cases that a claim has verdicts on, and the assistant that ran them: whether the installation reaches it, and
    its judge."""

    prompt_id: int
    ritual_id: int
    case_ids: frozenset[str]
    is_reached: bool
    is_judged: bool


def find_checkable(claims: Sequence[ReportedCases]) -> list[bool]:
    """Whether each of these claims can be run again here, case by case.

    That is so where the installation reaches the assistant, all its cases are weighed cases of that version of the
    ritual, these fill the prompt's variables, and a judge is reached where one is needed. A claim for which any of it
    is missing is word: otherwise, whoever has a good record could lie where nobody can look.
    """
    rituals = ritual_cases.load_cases(ritual_ids={claim.ritual_id for claim in claims})
    prompts = Prompt.objects.in_bulk({claim.prompt_id for claim in claims})

    def is_checkable(claim: ReportedCases) -> bool:
        cases = rituals[claim.ritual_id]
        return (
            claim.is_reached
            and bool(claim.case_ids)
            and claim.case_ids <= cases.ids
            and cases.can_run(prompts[claim.prompt_id])
            and (claim.is_judged or not cases.needs_judge)
        )

    return [is_checkable(claim) for claim in claims]


def is_vouched_for(*, caller: Caller) -> bool:
    """Whether an administrator vouches for what this caller reports."""
    return Vouch.objects.filter(reporter=caller.principal, ended_at__isnull=True).exists()
