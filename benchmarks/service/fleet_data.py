"""A fleet to measure with: prompts of real wordings, assistants, rituals, raters, and their log."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import transaction

from mintmark.accounts import callers, keys
from mintmark.accounts.models import Membership, Principal, Role, Team, User
from mintmark.common.evidence_kinds import EvidenceKind
from mintmark.deployments import injections
from mintmark.evidence import log
from mintmark.registry import assistants, prompts, rituals
from mintmark.registry.models import Assistant, Prompt

from .clients import BATCH
from .installation import Fleet

START = datetime(2026, 1, 1, tzinfo=UTC)
# A log of any size spans one year, so that ageing is at work in it.
SPAN = timedelta(days=365)
_BATCHES_A_TRANSACTION = 50
_PROMPTS, _ASSISTANTS, _RITUALS, _RATERS = 2_000, 50, 12, 100
_KINDS = (
    EvidenceKind.OUTCOME,
    EvidenceKind.REPLAY,
    EvidenceKind.APPROVAL,
    EvidenceKind.RATING,
    EvidenceKind.RECALL,
    EvidenceKind.CLAUSE,
)
_SHARES = (80, 8, 4, 4, 2, 2)
_WORDS = ("Sort", "Weigh", "Rewrite", "Judge", "Explain", "Shorten", "Translate", "Check")
_CLOSINGS = ("", "\nAnswer:", "\nThink step by step.", " Please give one word.", "\n- {context}")


def settle() -> Fleet:
    """Register a fleet: two thirds of the prompts derive from one before, a fifth of those as forks."""
    rng = random.Random(1)
    team = Team.objects.create(name="bench")
    operator = User.objects.create_user("operator")
    for role in (Role.OPERATOR, Role.AUTHOR):
        Membership.objects.create(user=operator, team=team, role=role)
    me = callers.from_user(user=operator).principal
    people = [
        Principal.objects.create(
            kind=Principal.Kind.PERSON,
            name=f"rater-{n}",
            user=User.objects.create(username=f"rater-{n}"),
        )
        for n in range(_RATERS)
    ]
    with transaction.atomic():
        fleet = [
            assistants.register(name=f"assistant-{n}", owner=me, team=team)
            for n in range(_ASSISTANTS)
        ]
        tasks = [rituals.register(name=f"ritual-{n}", tag=f"task:{n}") for n in range(_RITUALS)]
        written: list[Prompt] = []
        for n in range(_PROMPTS):
            parent = rng.choice(written) if n % 3 else None
            written.append(
                prompts.register(
                    draft=prompts.PromptDraft(
                        namespace="bench",
                        name=f"prompt-{n}",
                        text=f"{rng.choice(_WORDS)} {{x}} with care, variant {n}.{rng.choice(_CLOSINGS)}",
                        is_open=True,
                        tags=[f"task:{n % _RITUALS}"],
                        parent=parent,
                        forked_by=rng.choice(fleet) if parent is not None and n % 5 == 0 else None,
                    ),
                    author=me,
                    team=team,
                )
            )
    secret = keys.issue(principal=me, scopes=["evidence", "read"]).secret
    return Fleet(
        prompts=[prompt.pk for prompt in written],
        assistants=[assistant.pk for assistant in fleet],
        rituals=[ritual.pk for ritual in tasks],
        operator=me.pk,
        raters=[person.pk for person in people],
        secret=secret,
    )


def at_work(*, fleet: Fleet, count: int) -> tuple[Fleet, list[str]]:
    """Put prompts to work in the first assistant; that assistant with its key and those prompts, and their lines."""
    operator = callers.from_user(user=User.objects.get(username="operator"))
    assistant = Assistant.objects.get(pk=fleet.assistants[0])
    found = list(Prompt.objects.filter(pk__in=fleet.prompts[:count]).order_by("pk"))
    for n, prompt in enumerate(found):
        injections.inject(
            caller=operator, prompt=prompt, assistant=assistant, slot=f"slot-{n}", now=START
        )
    secret = keys.issue(principal=assistant.principal, scopes=["read"]).secret
    served = dataclasses.replace(
        fleet,
        prompts=[prompt.pk for prompt in found],
        assistants=[assistant.pk],
        secret=secret,
    )
    return served, [prompt.qualified_name for prompt in found]


def write(
    *,
    fleet: Fleet,
    events: int,
    already: int = 0,
    most: int | None = None,
) -> None:
    """Append `events` in batches, without folding them, where `already` are there of `most` that span a year."""
    operator = Principal.objects.get(pk=fleet.operator)
    raters = list(Principal.objects.filter(pk__in=fleet.raters).order_by("pk"))
    rng = random.Random(already)
    step = SPAN / (most or events)
    made = entries(fleet=fleet, rng=rng, step=step, since=START + already * step)
    left = events
    while left > 0:
        with transaction.atomic():
            for _ in range(_BATCHES_A_TRANSACTION):
                size = min(BATCH, left)
                if size <= 0:
                    break
                part = [next(made) for _ in range(size)]
                judged = [entry for entry in part if entry.kind == EvidenceKind.RATING]
                rest = [entry for entry in part if entry.kind != EvidenceKind.RATING]
                for actor, own in ((operator, rest), (rng.choice(raters), judged)):
                    if own:
                        log.append(actor=actor, source="bench", entries=own, now=START + SPAN)
                left -= size


def entries(
    *, fleet: Fleet, rng: random.Random, step: timedelta, since: datetime = START
) -> Iterator[log.LogEntry]:
    """Evidence without end: each prompt is tried on its own ritual, better ones succeed more."""
    at = since
    while True:
        at += step
        n = rng.randrange(len(fleet.prompts))
        kind = rng.choices(_KINDS, _SHARES)[0]
        runs = rng.choice((1, 3, 10)) if kind in (EvidenceKind.OUTCOME, EvidenceKind.REPLAY) else 1
        quality = 0.2 + 0.6 * (n % 97) / 97
        measured = kind in (EvidenceKind.OUTCOME, EvidenceKind.REPLAY)
        yield log.LogEntry(
            kind=int(kind),
            prompt_id=fleet.prompts[n],
            assistant_id=None if kind == EvidenceKind.RATING else rng.choice(fleet.assistants),
            ritual_id=fleet.rituals[n % len(fleet.rituals)] if measured else None,
            cohort=rng.randrange(20) if kind in (EvidenceKind.RATING, EvidenceKind.APPROVAL) else 0,
            admissible=True,
            score=sum(rng.random() < quality for _ in range(runs)) / runs,
            runs=runs,
            tags=("clear",) if kind == EvidenceKind.RATING else (),
            note="",
            occurred_at=at,
            key=str(UUID(int=rng.getrandbits(128))),
        )
