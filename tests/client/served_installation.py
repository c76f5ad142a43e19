"""What a reader of the guide has at hand: a team with an assistant, its key, a ritual, a prompt with a label."""

from dataclasses import dataclass, field

from django.utils import timezone

from mintmark.accounts import callers, keys
from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Principal, Role, Team, User
from mintmark.registry import assistants, labels, prompts, rituals
from mintmark.registry.models import Prompt
from mintmark.trust import claim_provenance, intake
from tests.factories.cast import person, vouch_for


@dataclass
class Mint:
    """The team `mint`; `secret` is the key of its assistant `scout`."""

    team: Team = field(default_factory=lambda: Team.objects.create(name="mint"))

    def __post_init__(self) -> None:
        self.author = self.member("author")
        self.scout = assistants.register(name="scout", owner=self.author.principal, team=self.team)
        self.ritual = rituals.register(name="summaries", tag="task:summarise")
        self.prompt = self.written("mint/summary", "Sum up {text}.")
        self.labelled(self.prompt)
        self.secret = self.key(self.scout.principal)

    def member(self, name: str) -> Caller:
        return callers.from_user(user=person(name, Role.OPERATOR, Role.AUTHOR, team=self.team))

    def record_outcome(self, prompt: Prompt, score: float, *, runs: int) -> None:
        """An outcome of the scout, by somebody whom the installation vouches for."""
        if not claim_provenance.is_vouched_for(caller=self.author):
            vouch_for(User.objects.get(username="author"))
        claim = intake.EvidenceClaim(
            kind="outcome",
            prompt=prompt.pk,
            assistant="scout",
            ritual="summaries",
            score=score,
            runs=runs,
            key=f"measured {prompt.pk}",
        )
        intake.record(caller=self.author, claims=[claim], source="test", now=timezone.now())

    def key(self, principal: Principal) -> str:
        return keys.issue(principal=principal, scopes=["read", "evidence"]).secret

    def written(self, line: str, text: str) -> Prompt:
        namespace, name = line.split("/")
        draft = prompts.PromptDraft(
            namespace=namespace, name=name, text=text, tags=["task:summarise"]
        )
        return prompts.register(draft=draft, author=self.author.principal, team=self.team)

    def labelled(self, prompt: Prompt | None) -> None:
        """Point `mint/summary@production` to a prompt, or take the label away."""
        labels.move(
            namespace="mint", name="summary", label="production", prompt=prompt, actor=self.author.principal,
            reason="tests", now=timezone.now(),
        )  # fmt: skip
