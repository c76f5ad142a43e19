"""The one look at a key says what the two steps of `accounts` say."""

from datetime import timedelta

from django.utils import timezone

from mintmark.accounts import authentication, callers, keys
from mintmark.accounts.models import Membership, Role, User
from tests.factories.api_world import World


def test_one_look_says_what_two_steps_say(world: World) -> None:
    operator = User.objects.get(username="operator")
    Membership.objects.create(user=operator, team=world.rival, role=Role.AUTHOR)
    Membership.objects.create(user=operator, team=None, role=Role.AUDITOR)
    User.objects.filter(username="admin").update(is_superuser=True)
    now = timezone.now()
    for principal in (*world.people.values(), world.scout.principal):
        issued = keys.issue(principal=principal, scopes=["read", "evidence"])
        held = callers.from_key(key=issued.key)
        assert authentication.authenticate(secret=issued.secret, now=now) == held


def test_a_dead_key_has_no_caller(world: World) -> None:
    now, operator = timezone.now(), world.people["operator"]
    live = keys.issue(principal=operator, scopes=["read"], expires_at=now + timedelta(seconds=1))
    assert authentication.authenticate(secret=live.secret, now=now) is not None
    assert authentication.authenticate(secret=live.secret, now=now + timedelta(seconds=1)) is None
    assert authentication.authenticate(secret=live.secret + "x", now=now) is None
    assert authentication.authenticate(secret=live.secret[:-1], now=now) is None
    assert authentication.authenticate(secret=live.secret[:11], now=now) is None
    keys.revoke(key=live.key, now=now)
    assert authentication.authenticate(secret=live.secret, now=now) is None


def test_a_key_dies_with_the_account_of_its_holder(world: World) -> None:
    key = keys.issue(principal=world.people["operator"], scopes=["read"])
    User.objects.filter(username="operator").update(is_active=False)
    assert authentication.authenticate(secret=key.secret, now=timezone.now()) is None
