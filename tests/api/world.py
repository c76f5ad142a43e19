"""The cast of the API's tests: two teams, one of every role, an assistant each, and something of everything to read."""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from mintmark.accounts import callers, keys, principals
from mintmark.accounts.models import Membership, Principal, Role, Team, User
from mintmark.registry import assistants, codices, labels, prompts, rituals
from mintmark.registry.models import Assistant, Codex, Prompt, Ritual
from mintmark.trust import intake, projector

PREFIX = "/api/v1"
CLAUSE = {"id": "no-hype", "text": "No superlatives.", "severity": "warn", "applies_to": "output"}


@dataclass
class World:
    """What stands before each test; `secrets` are bearer keys by the name of their holder."""

    mint: Team
    rival: Team
    scout: Assistant
    outsider: Assistant
    prompt: Prompt
    fork: Prompt
    open_prompt: Prompt
    ritual: Ritual
    codex: Codex
    event: int
    people: dict[str, Principal]
    secrets: dict[str, str] = field(default_factory=dict)

    def as_(self, who: str, *, scopes: tuple[str, ...] = ("admin",)) -> "Caller":
        """A client that holds a key of `who`."""
        holder = {"scout": self.scout.principal, "outsider": self.outsider.principal}.get(who)
        secret = keys.issue(principal=holder or self.people[who], scopes=scopes).secret
        return Caller(secret)

    def event_body(self, **changes: Any) -> dict[str, Any]:
        """An outcome that the operator and the assistant may record."""
        return {
            "kind": "outcome",
            "prompt": self.prompt.pk,
            "assistant": self.scout.pk,
            "ritual": self.ritual.pk,
            "score": 0.75,
            "runs": 4,
            "key": "a-new-key",
        } | changes


class Caller:
    """The client of one key: JSON out, JSON in."""

    def __init__(self, secret: str | None) -> None:
        self.client = Client()
        self.headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}

    def get(self, path: str, **headers: str) -> HttpResponse:
        return self.send("GET", path, **headers)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        """Send `body` as JSON, or as it is if it is bytes."""
        raw = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        )
        found: HttpResponse = self.client.generic(
            method,
            PREFIX + path,
            raw,
            content_type="application/json" if body is not None else "",
            headers=self.headers | {name.replace("_", "-"): text for name, text in headers.items()},
        )
        return found


def built() -> World:
    """Build the world."""
    mint = Team.objects.create(name="mint")
    rival = Team.objects.create(name="rival")
    people = {
        "operator": _person("operator", mint, Role.OPERATOR),
        "author": _person("author", mint, Role.AUTHOR),
        "auditor": _person("auditor", None, Role.AUDITOR),
        "admin": _person("admin", None, Role.ADMIN),
        "stranger": _person("stranger", rival, Role.OPERATOR, Role.AUTHOR),
    }
    ritual = rituals.register(name="summaries", tag="task:summarise")
    scout = assistants.register(name="scout", owner=people["operator"], team=mint, model="m-1")
    outsider = assistants.register(name="outsider", owner=people["stranger"], team=rival)
    codex = codices.register(name="house", clauses=[CLAUSE])
    author = people["author"]
    prompt = prompts.register(
        draft=prompts.Draft(
            namespace="mint", name="summary", text="Sum up {text}.", title="Summary",
            tags=["task:summarise", "@clarity+"],
        ),
        author=author,
        team=mint,
    )  # fmt: skip
    fork = prompts.register(
        draft=prompts.Draft(
            namespace="mint", name="brief", text="Sum up {text} in a line.", parent=prompt
        ),
        author=author,
        team=mint,
    )
    open_prompt = prompts.register(
        draft=prompts.Draft(namespace="mint", name="open", text="Say hello.", is_open=True),
        author=author,
        team=mint,
    )
    now = timezone.now()
    labels.move(
        namespace="mint", name="summary", label="production", prompt=prompt, actor=author,
        reason="first", now=now,
    )  # fmt: skip
    receipt = intake.record(
        caller=callers.from_key(
            key=keys.issue(principal=people["operator"], scopes=["evidence"]).key
        ),
        claims=[
            intake.Claim(
                kind="outcome", prompt=p.pk, assistant=scout.pk, ritual=ritual.pk, score=score,
                runs=10, key=f"seed-{n}", occurred_at=now - timedelta(days=n),
            )
            for n, (p, score) in enumerate([(prompt, 0.8), (fork, 0.9), (prompt, 0.7)])
        ],
        source="tests",
        now=now,
    )  # fmt: skip
    return World(
        mint=mint, rival=rival, scout=scout, outsider=outsider, prompt=prompt, fork=fork,
        open_prompt=open_prompt, ritual=ritual, codex=codex, event=receipt.event, people=people,
    )  # fmt: skip


def folded() -> World:
    """The world once scores include its evidence; what was written must be committed."""
    world = built()
    projector.wait_for(world.event, seconds=20, now=timezone.now())
    return world


def _person(name: str, team: Team | None, *roles: Role) -> Principal:
    user = User.objects.create(username=name)
    for role in roles:
        Membership.objects.create(user=user, team=team, role=role)
    return principals.of_user(user=user)
