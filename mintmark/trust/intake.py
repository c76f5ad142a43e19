"""The one door by which evidence enters: check every claim, append the batch, let the projections follow."""

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role
from mintmark.core import errors, kinds
from mintmark.evidence import log
from mintmark.registry import prompts, rituals
from mintmark.registry.models import Assistant, Prompt, Ritual

from . import judges, projector

MAX_BATCH = 10_000
MAX_RUNS = 1_000_000
AHEAD = timedelta(minutes=5)
EARLIEST_YEAR = 1990
_KINDS = {kind.name.lower(): kind for kind in kinds.Kind}
# What an assistant may say with its own key: about itself alone.
_OWN_WORD = {kinds.Kind.OUTCOME, kinds.Kind.APPROVAL, kinds.Kind.RATING, kinds.Kind.RECALL}


class InvalidEvidence(errors.Refusal):
    """A claim can't enter the log; its batch was refused whole, and every bad row is named."""

    code = "invalid_evidence"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Evidence as claimed. `prompt`, `assistant` and `ritual` are ids or names; `score` in [0,1] is the mean of `runs`
    binary runs; `key` is unique per actor: the same key again gives the same answer."""

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


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What was done with a batch. `event` is the newest event of the log up to which a reader must wait to see it."""

    recorded: int
    repeated: int
    batch: int | None
    event: int
    folded: bool


def record(*, caller: Caller, claims: Sequence[Claim], source: str, now: datetime) -> Receipt:
    """Append a batch of claims, all of it or nothing.

    Raises `InvalidEvidence` or `errors.KeyReused` naming every bad row, `Forbidden` when the caller may not speak for
    an assistant. On SQLite the projections are current on return; on PostgreSQL they follow (`Receipt.folded`).
    """
    caller.require_scope("evidence")
    return enter(caller=caller, claims=claims, source=source, now=now)


def enter(*, caller: Caller, claims: Sequence[Claim], source: str, now: datetime) -> Receipt:
    """As `record`, for a verb above that has checked another scope: a rating enters by the market's."""
    if not claims:
        raise InvalidEvidence("The batch is empty; send at least one event.")
    if len(claims) > MAX_BATCH:
        raise InvalidEvidence(
            f"The batch has {len(claims)} events; send at most {MAX_BATCH} at a time."
        )
    named = _Named.of(claims)
    problems = _problems(claims, named, now=now)
    if problems:
        raise InvalidEvidence(
            f"Row {problems[0]['row']}: {problems[0]['message']}"
            + (f" ({len(problems)} problems in {len(claims)} events.)" if len(claims) > 1 else ""),
            rows=problems,
        )
    _authorise(caller, claims, named)
    entries = _entries(caller, claims, named, now=now)
    folded = connection.vendor == "sqlite"
    with transaction.atomic() if folded else nullcontext():
        appended = log.append(actor=caller.principal, source=source, entries=entries, now=now)
        if folded and appended.recorded:
            projector.advance(now=now)
    if not folded and settings.FOLD == "inline":
        projector.advance(now=now)
        folded = projector.reached(appended.event)
    return Receipt(
        recorded=appended.recorded,
        repeated=appended.repeated,
        batch=appended.batch,
        event=appended.event,
        folded=folded,
    )


class _Found(NamedTuple):
    """What a name stands for: its id and team (0 where it has none), and an assistant's principal."""

    pk: int
    team_id: int = 0
    principal_id: int = 0
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class _Named:
    """What the claims' names stand for; a name that is not a key here stands for nothing."""

    prompts: Mapping[int | str, _Found]
    assistants: Mapping[int | str, _Found]
    rituals: Mapping[int | str, _Found]

    @classmethod
    def of(cls, claims: Sequence[Claim]) -> "_Named":
        return cls(
            prompts=_prompts({claim.prompt for claim in claims}),
            assistants=_assistants(
                {claim.assistant for claim in claims if claim.assistant is not None}
            ),
            rituals=_rituals({claim.ritual for claim in claims if claim.ritual is not None}),
        )


def _prompts(names: set[int | str]) -> dict[int | str, _Found]:
    found: dict[int | str, _Found] = {}
    if ids := _ids(names):
        rows = Prompt.objects.filter(pk__in=ids).values_list("id", "team_id")
        found.update((pk, _Found(pk, team_id)) for pk, team_id in rows)
    for name in _words(names):
        with suppress(errors.NotFound):
            prompt = prompts.named(reference=name)
            found[name] = _Found(prompt.pk, prompt.team_id)
    return found


def _rituals(names: set[int | str]) -> dict[int | str, _Found]:
    found: dict[int | str, _Found] = {}
    if ids := _ids(names):
        rows = Ritual.objects.filter(pk__in=ids).values_list("id", flat=True)
        found.update((pk, _Found(pk)) for pk in rows)
    for name in _words(names):
        with suppress(errors.NotFound):
            found[name] = _Found(rituals.named(reference=name).pk)
    return found


def _assistants(names: set[int | str]) -> dict[int | str, _Found]:
    if not names:
        return {}
    wanted = Q(pk__in=_ids(names)) | Q(name__in=_words(names))
    rows = Assistant.objects.filter(wanted).values_list("id", "team_id", "principal_id", "name")
    found: dict[int | str, _Found] = {}
    for row in rows:
        found[row[0]] = found[row[3]] = _Found(*row)
    return found


def _ids(names: set[int | str]) -> list[int]:
    return [name for name in names if isinstance(name, int) and 0 < name < 2**63]


def _words(names: set[int | str]) -> list[str]:
    return [name for name in names if isinstance(name, str)]


def _problems(claims: Sequence[Claim], named: _Named, *, now: datetime) -> list[errors.Row]:
    found: list[errors.Row] = []
    latest = now + AHEAD
    seen: dict[str, int] = {}
    for n, claim in enumerate(claims):

        def refuse(field: str, value: object, message: str, n: int = n) -> None:
            found.append(errors.Row(row=n, field=field, value=value, message=message))

        kind = _KINDS.get(claim.kind)
        if kind is None:
            refuse("kind", claim.kind, f"A kind is one of {', '.join(_KINDS)}.")
        if not math.isfinite(claim.score) or not 0.0 <= claim.score <= 1.0:
            refuse("score", claim.score, f"A score is a number from 0 to 1, not {claim.score!r}.")
        if not 1 <= claim.runs <= MAX_RUNS:
            refuse(
                "runs",
                claim.runs,
                f"runs is a whole number from 1 to {MAX_RUNS:,}, not {claim.runs}.",
            )
        if claim.prompt not in named.prompts:
            refuse("prompt", claim.prompt, f"There is no prompt {str(claim.prompt)[:100]!r}.")
        if claim.assistant is not None and claim.assistant not in named.assistants:
            refuse(
                "assistant",
                claim.assistant,
                f"There is no assistant {str(claim.assistant)[:100]!r}.",
            )
        if claim.ritual is not None and claim.ritual not in named.rituals:
            refuse("ritual", claim.ritual, f"There is no ritual {str(claim.ritual)[:100]!r}.")
        if kind in kinds.MEASURED and claim.ritual is None:
            refuse("ritual", None, f"{claim.kind} evidence names the ritual that measured it.")
        if (
            kind is not None
            and claim.assistant is None
            and kind not in (kinds.Kind.RATING, kinds.Kind.CLAUSE)
        ):
            refuse("assistant", None, f"{claim.kind} evidence names the assistant.")
        at = claim.occurred_at
        if at is not None and at.tzinfo is None:
            refuse("occurred_at", at, "A time needs its zone, such as 2026-01-31T12:00:00Z.")
        elif at is not None and at > latest:
            refuse(
                "occurred_at",
                at,
                f"{at} is more than 5 minutes ahead of this server's clock ({now}).",
            )
        elif at is not None and at.year < EARLIEST_YEAR:
            refuse("occurred_at", at, f"{at} is before {EARLIEST_YEAR}; is its unit right?")
        if not claim.key or len(claim.key) > 200 or not claim.key.isprintable():
            refuse(
                "key", claim.key, "A key is 1 to 200 printable characters, unique for each event."
            )
        elif claim.key in seen:
            refuse(
                "key",
                claim.key,
                f"This key stands in row {seen[claim.key]} of the same batch as well.",
            )
        else:
            seen[claim.key] = n
        if len(claim.note) > 400 or "\0" in claim.note:
            refuse("note", claim.note, "A note has at most 400 characters and no NUL.")
        if claim.tags:
            bad = [
                t
                for t in claim.tags
                if not (isinstance(t, str) and 0 < len(t) <= 100 and t.isprintable())
            ]
            if bad or len(claim.tags) > 20:
                refuse(
                    "tags",
                    bad or len(claim.tags),
                    "At most 20 tags, each 1 to 100 printable characters.",
                )
    return found


def _authorise(caller: Caller, claims: Sequence[Claim], named: _Named) -> None:
    """An assistant speaks for itself alone; a person records for assistants of teams where he is operator; whoever is
    signed in may rate in his own name."""
    own = caller.principal.pk
    for n, claim in enumerate(claims):
        kind = _KINDS[claim.kind]
        assistant = named.assistants[claim.assistant] if claim.assistant is not None else None
        if caller.is_assistant:
            if assistant is not None and assistant.principal_id == own and kind in _OWN_WORD:
                continue
            raise errors.Forbidden(
                f"Row {n}: with its own key an assistant records {_listed(_OWN_WORD)} "
                "about itself; the rest takes an operator's key."
            )
        if kind == kinds.Kind.RATING and assistant is None:
            continue
        team_id = (
            assistant.team_id if assistant is not None else named.prompts[claim.prompt].team_id
        )
        if not caller.has_role(Role.OPERATOR, team_id=team_id):
            raise errors.Forbidden(
                f"Row {n}: recording {claim.kind} evidence here takes the role 'operator' in the team of "
                f"{assistant.name if assistant else 'the prompt'}."
            )


def _entries(
    caller: Caller, claims: Sequence[Claim], named: _Named, *, now: datetime
) -> list[log.Entry]:
    cohort = caller.principal.team_id or 0
    allowed = _admissible_ratings(caller, claims, named)
    entries = []
    for claim in claims:
        kind = _KINDS[claim.kind]
        prompt = named.prompts[claim.prompt]
        assistant = named.assistants[claim.assistant] if claim.assistant is not None else None
        opinion = kind in kinds.OPINION
        judge_team = assistant.team_id if assistant is not None else cohort
        entries.append(
            log.Entry(
                kind=int(kind),
                prompt_id=prompt.pk,
                assistant_id=assistant.pk if assistant is not None else None,
                ritual_id=named.rituals[claim.ritual].pk if claim.ritual is not None else None,
                cohort=judge_team if opinion else 0,
                admissible=kind != kinds.Kind.RATING or prompt.pk in allowed,
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


def _admissible_ratings(caller: Caller, claims: Sequence[Claim], named: _Named) -> set[int]:
    """The rated prompts on which the caller's judgement may count."""
    rated = {named.prompts[c.prompt].pk for c in claims if _KINDS[c.kind] == kinds.Kind.RATING}
    return judges.admissible(caller=caller, prompt_ids=rated) if rated else set()


def _listed(chosen: Iterable[kinds.Kind]) -> str:
    return ", ".join(sorted(kind.name.lower() for kind in chosen))
