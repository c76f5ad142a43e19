"""What became of arriving events, counted: so that nothing is dropped in silence, and nothing they said is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Team
from mintmark.textchecks import secret_scan

from . import mappings
from .models import OtlpIngestCount

MAX_OUTCOMES = 500
"""Of a team's fates that are told apart; what comes beyond them is counted together."""
MAX_OUTCOMES_PER_REQUEST = 50

RECORDED, REPEATED, SEEN_ATTRIBUTE, OTHER_OUTCOMES = "recorded", "repeated", "seen", "others"
_MAX_VALUE_LENGTH = 120
_MAX_ATTRIBUTE_LENGTH = 200

REJECTION_CAUSES = {
    "event": "it is no gen_ai.evaluation.result",
    "missing": "the attribute is not there",
    "evaluation": "the mapping takes no evaluation of this name",
    "label": "the mapping has no score for this label",
    "range": "the value lies outside of what the mapping says, or is no number",
    "error": "the evaluation failed, so nothing was measured",
    "assistant": "the team has no assistant of this name",
    "not_own": "with its own key an assistant tells of itself alone",
    "prompt": "there is no prompt of this name",
    "unknowable": "it says neither when nor in which trace it was, so that a repetition could not be told",
    "refused": "the evidence log refused it",
    "empty": "the export held no record",
    "others": "of more kinds than are told apart",
}
"""Why an event is rejected, in words."""


@dataclass(frozen=True, slots=True)
class IngestOutcome:
    """What became of an event: one of `CAUSES`, with the attribute and the value that could not be read; or recorded,
    or repeated. `SEEN` counts an attribute that rejected events had."""

    name: str
    attribute: str = ""
    value: str = ""

    @classmethod
    def from_untrusted(cls, name: str, attribute: str, value: object = "") -> "IngestOutcome":
        """With a value that may be shown: cut, printable, redacted of what looks like a secret."""
        return cls(
            name,
            sanitise(attribute)[:_MAX_ATTRIBUTE_LENGTH],
            sanitise(str(value))[:_MAX_VALUE_LENGTH],
        )

    @property
    def sentence(self) -> str:
        prefix = " ".join(filter(None, (self.attribute, self.value and repr(self.value))))
        return f"{prefix + ': ' if prefix else ''}{REJECTION_CAUSES.get(self.name, self.name)}"


def sanitise(text: str) -> str:
    """A text of others as it may be kept and shown."""
    redacted = secret_scan.redact(text[:1_000])
    return "".join(character if character.isprintable() else "�" for character in redacted)


def add_counts(*, team: Team, outcome_counts: Mapping[IngestOutcome, int], now: datetime) -> None:
    """Add to what is counted of a team. Kinds beyond `MOST_KINDS` (of one request
    `MOST_KINDS_AT_ONCE`) are counted together."""
    outcomes = sorted(
        outcome_counts,
        key=lambda outcome: (
            -outcome_counts[outcome],
            outcome.name,
            outcome.attribute,
            outcome.value,
        ),
    )
    overflow = sum(
        outcome_counts[outcome]
        for outcome in outcomes[MAX_OUTCOMES_PER_REQUEST:]
        if outcome.name != SEEN_ATTRIBUTE
    )
    for outcome in outcomes[:MAX_OUTCOMES_PER_REQUEST]:
        overflow += _add_count(team, outcome, outcome_counts[outcome], now=now)
    if overflow:
        _add_count(team, IngestOutcome(OTHER_OUTCOMES), overflow, now=now)


def list_counts(*, caller: Caller, team: Team) -> QuerySet[OtlpIngestCount]:
    """What was counted of a team, the most frequent first: to those of the team and to auditors."""
    mappings.require_reader(caller=caller, team=team)
    return OtlpIngestCount.objects.filter(team=team).order_by("-count", "id")


def reset_counts(*, caller: Caller, team: Team) -> int:
    """Begin to count anew; how many kinds were forgotten. It takes an operator; evidence stays as it is."""
    caller.require_scope("registry")
    mappings.require_operator(caller=caller, team=team)
    return OtlpIngestCount.objects.filter(team=team).delete()[0]


def _add_count(team: Team, outcome: IngestOutcome, n: int, *, now: datetime) -> int:
    """Add `n`; how many were not, since as many kinds are told apart already."""
    matching = OtlpIngestCount.objects.filter(
        team=team, fate=outcome.name, attribute=outcome.attribute, value=outcome.value
    )
    if matching.update(count=F("count") + n, last_at=now):
        return 0
    is_uncapped = outcome.name in (RECORDED, REPEATED, OTHER_OUTCOMES)
    if not is_uncapped and OtlpIngestCount.objects.filter(team=team).count() >= MAX_OUTCOMES:
        return 0 if outcome.name == SEEN_ATTRIBUTE else n
    try:
        with transaction.atomic():
            OtlpIngestCount.objects.create(
                team=team,
                fate=outcome.name,
                attribute=outcome.attribute,
                value=outcome.value,
                count=n,
                first_at=now,
                last_at=now,
            )
    except IntegrityError:  # another request came between the look and the insert
        matching.update(count=F("count") + n, last_at=now)
    return 0
