"""A key is shown once, kept as a digest, and ends at once when it is revoked or its time is over."""

from datetime import timedelta

import pytest

from mintmark.accounts import authentication, callers, keys
from mintmark.accounts.models import Key, Role
from mintmark.common import errors
from tests.factories.cast import Cast

pytestmark = pytest.mark.django_db


def test_a_key_is_recognised_and_its_secret_is_nowhere_in_the_database() -> None:
    cast = Cast()
    issued = keys.issue(principal=cast.scout.principal, scopes=["read", "evidence"], note="ci")
    found = authentication.authenticate(secret=issued.secret, now=cast.now)
    assert found is not None and found.principal == cast.scout.principal
    assert found.scopes == {"read", "evidence"}
    stored = " ".join(str(value) for value in Key.objects.values().get().values())
    assert issued.secret not in stored
    assert issued.secret.split("_", 2)[2] not in stored


def test_a_wrong_revoked_or_expired_key_is_not_recognised() -> None:
    cast = Cast()
    issued = keys.issue(
        principal=cast.scout.principal, scopes=["read"], expires_at=cast.now + timedelta(days=1)
    )
    assert authentication.authenticate(secret=issued.secret[:-1], now=cast.now) is None
    assert authentication.authenticate(secret="", now=cast.now) is None
    assert (
        authentication.authenticate(secret=issued.secret, now=cast.now + timedelta(days=1)) is None
    )
    keys.revoke(key=issued.key, now=cast.now)
    first = issued.key.revoked_at
    assert authentication.authenticate(secret=issued.secret, now=cast.now) is None
    assert keys.revoke(key=issued.key, now=cast.now + timedelta(hours=1)).revoked_at == first


def test_a_scope_that_does_not_exist_is_refused() -> None:
    cast = Cast()
    for scopes in ([], ["read", "everything"]):
        with pytest.raises(keys.UnknownScope):
            keys.issue(principal=cast.scout.principal, scopes=scopes)
    assert Key.objects.count() == 0


def test_roles_hold_in_their_team_and_an_admin_holds_them_all() -> None:
    cast = Cast()
    buyer, auditor, stranger = (cast.as_(u) for u in (cast.buyer, cast.auditor, cast.stranger))
    assert buyer.has_role(Role.OPERATOR, team_id=cast.buyers.pk)
    assert not buyer.has_role(Role.OPERATOR, team_id=cast.sellers.pk)
    assert not buyer.has_role(Role.OPERATOR, team_id=None)
    assert auditor.has_role(Role.AUDITOR, team_id=cast.buyers.pk)
    assert not auditor.has_role(Role.OPERATOR, team_id=cast.buyers.pk)
    assert not stranger.has_role(*Role, team_id=cast.buyers.pk)
    cast.stranger.is_superuser = True
    cast.stranger.save()
    assert cast.as_(cast.stranger).has_role(Role.OPERATOR, team_id=cast.sellers.pk)


def test_a_key_does_no_more_than_its_scopes() -> None:
    cast = Cast()
    issued = keys.issue(principal=cast.as_(cast.buyer).principal, scopes=["read"])
    caller = callers.from_key(key=issued.key)
    assert caller.has_role(Role.OPERATOR, team_id=cast.buyers.pk)
    with pytest.raises(errors.Forbidden, match="evidence"):
        caller.require_scope("evidence")
    whole = keys.issue(principal=cast.as_(cast.buyer).principal, scopes=["admin"])
    callers.from_key(key=whole.key).require_scope("evidence")
