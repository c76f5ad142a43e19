"""What the pages show in their tests: a prompt with evidence of every kind, its fork, and an untouched one."""

from datetime import timedelta

from django.test import Client
from django.utils import timezone

from mintmark.accounts.models import Role, User
from mintmark.registry.models import Entitlement
from tests.factories.cast import Cast, person

SECRET = "The secret of the mint: weigh {coin} twice."


class Scene:
    """The cast on its stage; everything is recorded within the last days and folded."""

    def __init__(self) -> None:
        now = timezone.now()
        self.cast = cast = Cast(now=now)
        self.admin = person("admin", Role.ADMIN)
        self.fork = cast.written(
            "acme/quick-triage",
            "Sort {ticket} quickly.",
            parent=cast.prompt,
            forked_by=cast.smith,
        )
        self.secret = cast.written("acme/secret", SECRET, is_open=False)
        Entitlement.objects.create(prompt=cast.prompt, team=cast.buyers, reason="bought")
        for day, score in ((9, 0.9), (6, 0.7), (3, 0.8)):
            cast.record(cast.outcome(score=score, runs=20), now=now - timedelta(days=day))
        cast.record(
            cast.outcome(score=0.4, prompt=self.fork.pk),
            cast.outcome(score=0.6, prompt=self.secret.pk),
            cast.claim("replay", ritual=cast.triage.pk, score=0.75, runs=12),
        )
        cast.record(
            cast.claim("approval", score=1.0),
            cast.claim("recall", score=0.9, runs=10),
            cast.claim("clause", score=0.0, note="Says no prices."),
            cast.claim("rating", score=0.75, assistant=None, tags=("@clarity+",)),
        )
        self.never_run = cast.written("acme/never-run", "Sort {ticket} in French.", tags=["new"])

    def client(self, user: User | None) -> Client:
        """A browser, signed in as `user`."""
        client = Client()
        if user is not None:
            client.force_login(user)
        return client
