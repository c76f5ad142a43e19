"""Where all evidence enters: check every claim, append the batch, let the projections follow."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Principal, Role
from mintmark.common import errors, evidence_kinds
from mintmark.common.provenance import Provenance
from mintmark.evidence import log
from mintmark.evidence.log import CaseVerdict
from mintmark.projection import projector
from mintmark.registry import prompts, rituals
from mintmark.registry.models import Assistant, Prompt, Ritual

from . import claim_provenance, rating_eligibility

MAX_BATCH = 10_000
MAX_RUNS = 1_000_000
MAX_CLOCK_SKEW = timedelta(minutes=5)
MIN_YEAR = 1990
MAX_CASES = 2_000
# Reporters round their means.
MAX_MEAN_ERROR = 1e-4
_DIGEST = re.compile("[0-9a-f]{64}")
_KINDS = {kind.name.lower(): kind for kind in sorted(evidence_kinds.REPORTABLE)}
# What an assistant may say with its own key: about itself alone.
_SELF_REPORTED_KINDS = {
    evidence_kinds.EvidenceKind.OUTCOME,
    evidence_kinds.EvidenceKind.APPROVAL,
    evidence_kinds.EvidenceKind.RATING,
    evidence_kinds.EvidenceKind.RECALL,
}


class InvalidEvidence(errors.DomainError):
    """A claim can't enter the log; its batch was refused whole, and every bad row is named."""

    code = "invalid_evidence"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceClaim:
    """Evidence as claimed. `prompt`, `assistant` and `ritual` are ids or names; `score` in [0,1] is the mean of `runs`
    binary runs; `key` is unique per actor: the same key again gives the same answer. `cases` may say what each case of
    a measured outcome gave: their mean is the score, their runs add up to `runs`."""

    kind: str
    prompt: int | str
    score: float
    key: str
    assistant: int | str | None = None
    ritual: int | str | None = None
    runs: int = 1
    tags: tuple[str, ...] = ()
    note: str = ""
    occurred_at: datetime | None = None
    cases: tuple[CaseVerdict, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RecordResult:
    """What was done with a batch. `event` is the newest event of the log up to which a reader must wait to see it."""

    recorded: int
    repeated: int
    batch: int | None
    event: int
    folded: bool


def record(
    *, caller: Caller, claims: Sequence[EvidenceClaim], source: str, now: datetime
) -> RecordResult:
    """Append a batch of claims, all of it or nothing.

    Raises `InvalidEvidence` or `errors.IdempotencyKeyReused` naming every bad row, `Forbidden` when the caller may
    not speak for an assistant. On SQLite the projections are current on return; on PostgreSQL they follow
    (`RecordResult.folded`).
    """
    caller.require_scope("evidence")
    return record_unchecked(caller=caller, claims=claims, source=source, now=now)


def record_unchecked(
    *,
    caller: Caller,
    claims: Sequence[EvidenceClaim],
    source: str,
    now: datetime,
    is_executed: bool = False,
) -> RecordResult:
    """As `record`, for a verb above that has checked another scope: a rating enters by the market's. `is_executed` is
    for Mintmark's own worker alone, on a model that the installation configured."""
    if not claims:
        raise InvalidEvidence("The batch is empty; send at least one event.")
    if len(claims) > MAX_BATCH:
        raise InvalidEvidence(
            f"The batch has {len(claims)} events; send at most {MAX_BATCH} at a time."
        )
    resolved = _ResolvedNames.resolve(claims)
    problems = _find_problems(claims, resolved, now=now)
    if problems:
        raise InvalidEvidence(
            f"Row {problems[0]['row']}: {problems[0]['message']}"
            + (f" ({len(problems)} problems in {len(claims)} events.)" if len(claims) > 1 else ""),
            rows=problems,
        )
    _authorise(caller, claims, resolved)
    entries = _build_entries(caller, claims, resolved, now=now, is_executed=is_executed)
    return append_entries(actor=caller.principal, source=source, entries=entries, now=now)


def append_entries(
    *, actor: Principal, source: str, entries: Sequence[log.LogEntry], now: datetime
) -> RecordResult:
    """Append entries that were checked, and let the projections follow: for the verbs here, and for audits of
    claims."""
    folded = connection.vendor == "sqlite"
    with transaction.atomic() if folded else nullcontext():
        appended = log.append(actor=actor, source=source, entries=entries, now=now)
        if folded and appended.recorded:
            projector.project_pending(now=now)
    if not folded and settings.PROJECTION == "inline":
        projector.project_pending(now=now)
        folded = projector.includes_event(appended.event)
    return RecordResult(
        recorded=appended.recorded,
        repeated=appended.repeated,
        batch=appended.batch,
        event=appended.event,
        folded=folded,
    )


class _Ref(NamedTuple):
    """What a name stands for: its id and team (0 where it has none), and an assistant's principal."""

    pk: int
    team_id: int = 0
    principal_id: int = 0
    name: str = ""
    is_reached: bool = False
    is_judged: bool = False


@dataclass(frozen=True, kw_only=True)
class _ResolvedNames:
    """What the claims' names stand for; a name that is not a key here stands for nothing."""

    prompts: Mapping[int | str, _Ref]
    assistants: Mapping[int | str, _Ref]
    rituals: Mapping[int | str, _Ref]

    @classmethod
    def resolve(cls, claims: Sequence[EvidenceClaim]) -> "_ResolvedNames":
        return cls(
            prompts=_resolve_prompts({claim.prompt for claim in claims}),
            assistants=_resolve_assistants(
                {claim.assistant for claim in claims if claim.assistant is not None}
            ),
            rituals=_resolve_rituals(
                {claim.ritual for claim in claims if claim.ritual is not None}
            ),
        )


def _resolve_prompts(names: set[int | str]) -> dict[int | str, _Ref]:
    refs: dict[int | str, _Ref] = {}
    if ids := _filter_ids(names):
        rows = Prompt.objects.filter(pk__in=ids).values_list("id", "team_id")
        refs.update((pk, _Ref(pk, team_id)) for pk, team_id in rows)
    for name in _filter_names(names):
        with suppress(errors.NotFound):
            prompt = prompts.resolve(reference=name)
            refs[name] = _Ref(prompt.pk, prompt.team_id)
    return refs


def _resolve_rituals(names: set[int | str]) -> dict[int | str, _Ref]:
    refs: dict[int | str, _Ref] = {}
    if ids := _filter_ids(names):
        rows = Ritual.objects.filter(pk__in=ids).values_list("id", flat=True)
        refs.update((pk, _Ref(pk)) for pk in rows)
    for name in _filter_names(names):
        with suppress(errors.NotFound):
            refs[name] = _Ref(rituals.resolve(reference=name).pk)
    return refs


def _resolve_assistants(names: set[int | str]) -> dict[int | str, _Ref]:
    if not names:
        return {}
    condition = Q(pk__in=_filter_ids(names)) | Q(name__in=_filter_names(names))
    rows = Assistant.objects.filter(condition).values_list(
        "id", "team_id", "principal_id", "name", "is_reached", "is_judged"
    )
    refs: dict[int | str, _Ref] = {}
    for row in rows:
        refs[row[0]] = refs[row[3]] = _Ref(*row)
    return refs


def _filter_ids(names: set[int | str]) -> list[int]:
    return [name for name in names if isinstance(name, int) and 0 < name < 2**63]


def _filter_names(names: set[int | str]) -> list[str]:
    return [name for name in names if isinstance(name, str)]


def _find_problems(
    claims: Sequence[EvidenceClaim], resolved: _ResolvedNames, *, now: datetime
) -> list[errors.FieldError]:
    rows: list[errors.FieldError] = []
    latest = now + MAX_CLOCK_SKEW
    row_by_key: dict[str, int] = {}
    for n, claim in enumerate(claims):

        def add_problem(field: str, value: object, message: str, n: int = n) -> None:
            rows.append(errors.FieldError(row=n, field=field, value=value, message=message))

        kind = _KINDS.get(claim.kind)
        if kind is None:
            add_problem("kind", claim.kind, f"A kind is one of {', '.join(_KINDS)}.")
        if not math.isfinite(claim.score) or not 0.0 <= claim.score <= 1.0:
            add_problem(
                "score", claim.score, f"A score is a number from 0 to 1, not {claim.score!r}."
            )
        if not 1 <= claim.runs <= MAX_RUNS:
            add_problem(
                "runs",
                claim.runs,
                f"runs is a whole number from 1 to {MAX_RUNS:,}, not {claim.runs}.",
            )
        if claim.prompt not in resolved.prompts:
            add_problem("prompt", claim.prompt, f"There is no prompt {str(claim.prompt)[:100]!r}.")
        if claim.assistant is not None and claim.assistant not in resolved.assistants:
            add_problem(
                "assistant",
                claim.assistant,
                f"There is no assistant {str(claim.assistant)[:100]!r}.",
            )
        if claim.ritual is not None and claim.ritual not in resolved.rituals:
            add_problem("ritual", claim.ritual, f"There is no ritual {str(claim.ritual)[:100]!r}.")
        if kind in evidence_kinds.MEASURED and claim.ritual is None:
            add_problem("ritual", None, f"{claim.kind} evidence names the ritual that measured it.")
        if (
            kind is not None
            and claim.assistant is None
            and kind not in (evidence_kinds.EvidenceKind.RATING, evidence_kinds.EvidenceKind.CLAUSE)
        ):
            add_problem("assistant", None, f"{claim.kind} evidence names the assistant.")
        occurred_at = claim.occurred_at
        if occurred_at is not None and occurred_at.tzinfo is None:
            add_problem(
                "occurred_at", occurred_at, "A time needs its zone, such as 2026-01-31T12:00:00Z."
            )
        elif occurred_at is not None and occurred_at > latest:
            add_problem(
                "occurred_at",
                occurred_at,
                f"{occurred_at} is more than 5 minutes ahead of this server's clock ({now}).",
            )
        elif occurred_at is not None and occurred_at.year < MIN_YEAR:
            add_problem(
                "occurred_at",
                occurred_at,
                f"{occurred_at} is before {MIN_YEAR}; is its unit right?",
            )
        if not claim.key or len(claim.key) > 200 or not claim.key.isprintable():
            add_problem(
                "key", claim.key, "A key is 1 to 200 printable characters, unique for each event."
            )
        elif claim.key in row_by_key:
            add_problem(
                "key",
                claim.key,
                f"This key stands in row {row_by_key[claim.key]} of the same batch as well.",
            )
        else:
            row_by_key[claim.key] = n
        if claim.cases:
            for message in _find_case_problems(claim):
                add_problem("cases", len(claim.cases), message)
        if len(claim.note) > 400 or "\0" in claim.note:
            add_problem("note", claim.note, "A note has at most 400 characters and no NUL.")
        if claim.tags:
            bad = [
                t
                for t in claim.tags
                if not (isinstance(t, str) and 0 < len(t) <= 100 and t.isprintable())
            ]
            if bad or len(claim.tags) > 20:
                add_problem(
                    "tags",
                    bad or len(claim.tags),
                    "At most 20 tags, each 1 to 100 printable characters.",
                )
    return rows


def _find_case_problems(claim: EvidenceClaim) -> Iterator[str]:
    """What is wrong with the cases of a claim."""
    if _KINDS.get(claim.kind) not in evidence_kinds.MEASURED:
        yield "Only outcomes and replays have cases."
    if len(claim.cases) > MAX_CASES:
        yield f"At most {MAX_CASES:,} cases are taken, not {len(claim.cases):,}."
    ids = [case.case_id for case in claim.cases]
    if len(set(ids)) < len(ids):
        twice = next(case for case in ids if ids.count(case) > 1)
        yield f"The case {twice!r} is named twice; add up its runs."
    for case in claim.cases:
        if not (0 < len(case.case_id) <= 200 and case.case_id.isprintable()):
            yield f"A case id is 1 to 200 printable characters, not {case.case_id[:50]!r}."
        if not (math.isfinite(case.score) and 0.0 <= case.score <= 1.0):
            yield f"The score of case {case.case_id!r} is a number from 0 to 1, not {case.score!r}."
        if not 1 <= case.runs <= MAX_RUNS:
            yield f"The runs of case {case.case_id!r} are a whole number from 1, not {case.runs}."
        if case.output_digest and not _DIGEST.fullmatch(case.output_digest):
            yield f"The output digest of case {case.case_id!r} is not 64 hexadecimal digits."
    runs = sum(case.runs for case in claim.cases)
    if runs != claim.runs:
        yield f"The cases have {runs} runs together, and the outcome says {claim.runs}."
    elif runs > 0:
        mean = sum(case.score * case.runs for case in claim.cases) / runs
        if abs(mean - claim.score) > MAX_MEAN_ERROR:
            yield f"The cases have the mean {mean:.6f}, and the outcome says {claim.score:.6f}."


def _authorise(caller: Caller, claims: Sequence[EvidenceClaim], resolved: _ResolvedNames) -> None:
    """An assistant speaks for itself alone; a person records for assistants of teams where they are operator; whoever
    is signed in may rate in their own name."""
    caller_principal_id = caller.principal.pk
    for n, claim in enumerate(claims):
        kind = _KINDS[claim.kind]
        assistant = resolved.assistants[claim.assistant] if claim.assistant is not None else None
        if caller.is_assistant:
            if (
                assistant is not None
                and assistant.principal_id == caller_principal_id
                and kind in _SELF_REPORTED_KINDS
            ):
                continue
            raise errors.Forbidden(
                f"Row {n}: with its own key an assistant records {_format_kinds(_SELF_REPORTED_KINDS)} "
                "about itself; the rest takes an operator's key."
            )
        if kind == evidence_kinds.EvidenceKind.RATING and assistant is None:
            continue
        team_id = (
            assistant.team_id if assistant is not None else resolved.prompts[claim.prompt].team_id
        )
        if not caller.has_role(Role.OPERATOR, team_id=team_id):
            raise errors.Forbidden(
                f"Row {n}: recording {claim.kind} evidence here takes the role 'operator' in the team of "
                f"{assistant.name if assistant else 'the prompt'}."
            )


def _build_entries(
    caller: Caller,
    claims: Sequence[EvidenceClaim],
    resolved: _ResolvedNames,
    *,
    now: datetime,
    is_executed: bool,
) -> list[log.LogEntry]:
    cohort = caller.principal.team_id or 0
    provenances = (
        [Provenance.EXECUTED] * len(claims)
        if is_executed
        else _decide_provenance(caller, claims, resolved)
    )
    admissible_prompt_ids = _find_admissible_ratings(caller, claims, resolved)
    entries = []
    for claim, provenance in zip(claims, provenances, strict=True):
        kind = _KINDS[claim.kind]
        prompt = resolved.prompts[claim.prompt]
        assistant = resolved.assistants[claim.assistant] if claim.assistant is not None else None
        is_opinion = kind in evidence_kinds.OPINION
        judge_team = assistant.team_id if assistant is not None else cohort
        entries.append(
            log.LogEntry(
                kind=int(kind),
                prompt_id=prompt.pk,
                assistant_id=assistant.pk if assistant is not None else None,
                ritual_id=resolved.rituals[claim.ritual].pk if claim.ritual is not None else None,
                cohort=judge_team if is_opinion or kind in evidence_kinds.MEASURED else 0,
                admissible=kind != evidence_kinds.EvidenceKind.RATING
                or prompt.pk in admissible_prompt_ids,
                provenance=provenance,
                cases=claim.cases,
                score=float(claim.score),
                runs=int(claim.runs),
                tags=tuple(claim.tags),
                note=claim.note,
                occurred_at=claim.occurred_at or now,
                key=claim.key,
                is_dated=claim.occurred_at is not None,
            )
        )
    return entries


def _decide_provenance(
    caller: Caller, claims: Sequence[EvidenceClaim], resolved: _ResolvedNames
) -> list[Provenance]:
    own_team = caller.principal.team_id or 0
    is_checkable = _find_checkable(claims, resolved)
    return claim_provenance.decide_provenance(
        caller=caller,
        reports=[
            claim_provenance.Report(
                prompt_id=resolved.prompts[claim.prompt].pk,
                team_id=resolved.assistants[claim.assistant].team_id
                if claim.assistant is not None
                else own_team,
                is_checkable=is_checkable.get(n, False),
            )
            for n, claim in enumerate(claims)
        ],
    )


def _find_checkable(claims: Sequence[EvidenceClaim], resolved: _ResolvedNames) -> dict[int, bool]:
    """Of the claims with cases, by row: whether they can be run again here."""
    reported = {}
    for n, claim in enumerate(claims):
        if claim.cases and claim.ritual is not None and claim.assistant is not None:
            assistant = resolved.assistants[claim.assistant]
            reported[n] = claim_provenance.ReportedCases(
                prompt_id=resolved.prompts[claim.prompt].pk,
                ritual_id=resolved.rituals[claim.ritual].pk,
                case_ids=frozenset(case.case_id for case in claim.cases),
                is_reached=assistant.is_reached,
                is_judged=assistant.is_judged,
            )
    if not reported:
        return {}
    return dict(
        zip(reported, claim_provenance.find_checkable(list(reported.values())), strict=True)
    )


def _find_admissible_ratings(
    caller: Caller, claims: Sequence[EvidenceClaim], resolved: _ResolvedNames
) -> set[int]:
    """The rated prompts on which the caller's judgement may count."""
    rated = {
        resolved.prompts[c.prompt].pk
        for c in claims
        if _KINDS[c.kind] == evidence_kinds.EvidenceKind.RATING
    }
    return (
        rating_eligibility.find_ratable_prompts(caller=caller, prompt_ids=rated) if rated else set()
    )


def _format_kinds(chosen: Iterable[evidence_kinds.EvidenceKind]) -> str:
    return ", ".join(sorted(kind.name.lower() for kind in chosen))
