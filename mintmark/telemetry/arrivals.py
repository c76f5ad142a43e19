"""What became of arriving events, counted: so that nothing is dropped in silence, and nothing they said is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Team
from mintmark.core import leaks

from . import mappings
from .models import Arrival

MOST_KINDS = 500
"""Of a team's fates that are told apart; what comes beyond them is counted together."""
MOST_KINDS_AT_ONCE = 50

RECORDED, REPEATED, SEEN, OTHERS = "recorded", "repeated", "seen", "others"
_LONGEST_VALUE = 120
_LONGEST_ATTRIBUTE = 200

CAUSES = {
    "event": "it is no gen_ai.evaluation.result",
    "missing": "the attribute is not there",
    "evaluation": "the mapping takes no evaluation of this name",
    "label": "the mapping has no score for this label",
    "range": "the value lies outside of what the mapping says, or is none",
    "assistant": "the team has no assistant of this name",
    "not_own": "with its own key an assistant tells of itself alone",
    "prompt": "there is no prompt of this name",
    "unknowable": "it says neither when nor in which trace it was, so that a repetition could not be told",
    "refused": "the evidence log refused it",
    "others": "of more kinds than are told apart",
}
"""Why an event is rejected, in words."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of an event: one of `CAUSES`, with the attribute and the value that could not be read; or recorded,
    or repeated. `SEEN` counts an attribute that rejected events had."""

    name: str
    attribute: str = ""
    value: str = ""

    @classmethod
    def of(cls, name: str, attribute: str, value: object = "") -> "Fate":
        """With a value that may be shown: cut, printable, redacted of what looks like a secret."""
        return cls(name, inert(attribute)[:_LONGEST_ATTRIBUTE], inert(str(value))[:_LONGEST_VALUE])

    @property
    def sentence(self) -> str:
        shown = " ".join(filter(None, (self.attribute, self.value and repr(self.value))))
        return f"{shown + ': ' if shown else ''}{CAUSES.get(self.name, self.name)}"


def inert(text: str) -> str:
    """A text of others as it may be kept and shown."""
    cut = leaks.redacted(text[:1_000])
    return "".join(at if at.isprintable() else "�" for at in cut)


def count(*, team: Team, fates: Mapping[Fate, int], now: datetime) -> None:
    """Add to what is counted of a team. Kinds beyond `MOST_KINDS` (of one request
    `MOST_KINDS_AT_ONCE`) are counted together."""
    kept = sorted(fates, key=lambda fate: (-fates[fate], fate.name, fate.attribute, fate.value))
    beyond = sum(fates[fate] for fate in kept[MOST_KINDS_AT_ONCE:] if fate.name != SEEN)
    for fate in kept[:MOST_KINDS_AT_ONCE]:
        beyond += _add(team, fate, fates[fate], now=now)
    if beyond:
        _add(team, Fate(OTHERS), beyond, now=now)


def of(*, caller: Caller, team: Team) -> QuerySet[Arrival]:
    """What was counted of a team, the most frequent first: to those of the team and to auditors."""
    mappings.require_reader(caller=caller, team=team)
    return Arrival.objects.filter(team=team).order_by("-count", "id")


def forget(*, caller: Caller, team: Team) -> int:
    """Begin to count anew; how many kinds were forgotten. It takes an operator; evidence stays as it is."""
    caller.require_scope("registry")
    mappings.require_operator(caller=caller, team=team)
    return Arrival.objects.filter(team=team).delete()[0]


def _add(team: Team, fate: Fate, n: int, *, now: datetime) -> int:
    """Add `n`; how many were not, since as many kinds are told apart already."""
    same = Arrival.objects.filter(
        team=team, fate=fate.name, attribute=fate.attribute, value=fate.value
    )
    if same.update(count=F("count") + n, last_at=now):
        return 0
    always = fate.name in (RECORDED, REPEATED, OTHERS)
    if not always and Arrival.objects.filter(team=team).count() >= MOST_KINDS:
        return 0 if fate.name == SEEN else n
    try:
        with transaction.atomic():
            Arrival.objects.create(
                team=team,
                fate=fate.name,
                attribute=fate.attribute,
                value=fate.value,
                count=n,
                first_at=now,
                last_at=now,
            )
    except IntegrityError:  # another request came between the look and the insert
        same.update(count=F("count") + n, last_at=now)
    return 0
