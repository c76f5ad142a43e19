"""The fixed cast of the tests: a seller and a buyer with a team each, a stranger, an auditor; and what they write."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mintmark.accounts import callers
from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Membership, Role, Team, User
from mintmark.evidence.models import Vouch
from mintmark.projection import projector
from mintmark.registry import assistants, prompts, rituals
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.trust import intake
from mintmark.trust.intake import EvidenceClaim, RecordResult

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def person(name: str, *roles: Role, team: Team | None = None) -> User:
    """A user with these roles in a team (everywhere without one)."""
    user = User.objects.create_user(name, password="correct horse battery")
    for role in roles:
        Membership.objects.create(user=user, team=team, role=role)
    return user


def vouch_for(user: User) -> None:
    """Let what a user records count as if it had been run here."""
    principal = callers.from_user(user=user).principal
    Vouch.objects.create(reporter=principal, reason="a test", given_by=principal, given_at=NOW)


@dataclass
class Cast:
    """Everybody, and one assistant a team, one ritual and one open prompt of the seller."""

    now: datetime = NOW
    keys: Iterator[int] = field(default_factory=lambda: iter(range(1_000_000)))

    def __post_init__(self) -> None:
        self.sellers = Team.objects.create(name="sellers")
        self.buyers = Team.objects.create(name="buyers")
        self.seller = person("seller", Role.OPERATOR, Role.AUTHOR, team=self.sellers)
        self.buyer = person("buyer", Role.OPERATOR, Role.AUTHOR, team=self.buyers)
        self.stranger = person("stranger")
        self.auditor = person("auditor", Role.AUDITOR)
        for reporter in (self.seller, self.buyer):
            vouch_for(reporter)
        self.scout = self.assistant("scout", team=self.buyers)
        self.smith = self.assistant("smith", team=self.sellers)
        self.triage = rituals.register(name="triage-cases", tag="task:triage")
        self.prompt = self.written("acme/triage", "Sort {ticket} by urgency.\nAnswer:")

    def as_(self, user: User) -> Caller:
        return callers.from_user(user=user)

    def assistant(self, name: str, *, team: Team) -> Assistant:
        owner = self.as_(self.seller if team == self.sellers else self.buyer).principal
        return assistants.register(name=name, owner=owner, team=team)

    def written(
        self,
        line: str,
        text: str,
        *,
        parent: Prompt | None = None,
        forked_by: Assistant | None = None,
        tags: Sequence[str] = ("task:triage",),
        is_open: bool = True,
        by: User | None = None,
        licence: str = "",
    ) -> Prompt:
        """A new prompt of the seller (or of `by`)."""
        author = self.as_(by or self.seller).principal
        namespace, name = line.split("/")
        draft = prompts.PromptDraft(
            namespace=namespace,
            name=name,
            text=text,
            parent=parent,
            forked_by=forked_by,
            tags=tags,
            licence=licence,
            is_open=is_open,
        )
        assert author.team is not None
        return prompts.register(draft=draft, author=author, team=author.team)

    def outcome(self, *, score: float, runs: int = 10, **changes: object) -> EvidenceClaim:
        """A measured outcome of the buyer's assistant on the seller's prompt."""
        return self.claim(
            "outcome", **({"score": score, "runs": runs, "ritual": self.triage.pk} | changes)
        )

    def claim(self, kind: str, **changes: object) -> EvidenceClaim:
        """Any claim about the buyer's assistant and the seller's prompt, under a new key."""
        values: dict[str, object] = {
            "kind": kind,
            "prompt": self.prompt.pk,
            "assistant": self.scout.pk,
            "score": 1.0,
            "key": f"key-{next(self.keys)}",
        }
        return EvidenceClaim(**(values | changes))  # type: ignore[arg-type]

    def record(
        self, *claims: EvidenceClaim, by: User | None = None, now: datetime | None = None
    ) -> RecordResult:
        """Record claims as the buyer (or `by`) and let the projections follow."""
        receipt = intake.record(
            caller=self.as_(by or self.buyer),
            claims=claims,
            source="test",
            now=now or self.now,
        )
        projector.project_pending(now=now or self.now)
        return receipt


def measured(
    cast: Cast, prompt: Prompt, scores: Sequence[float], ritual: Ritual | None = None
) -> None:
    """Outcomes of ten runs each of the buyer's assistant on `prompt`."""
    for score in scores:
        cast.record(cast.outcome(score=score, prompt=prompt.pk, ritual=(ritual or cast.triage).pk))
