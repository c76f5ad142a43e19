"""An administrator vouches for a reporter, and stops; nobody else does, and for no assistant."""

import pytest

from mintmark.accounts.models import Role
from mintmark.common import errors
from mintmark.common.provenance import Provenance
from mintmark.evidence.models import Event, Vouch
from mintmark.trust import vouching
from tests.factories.cast import Cast, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast(db: None) -> Cast:
    return Cast()


def _record_provenance(cast: Cast) -> int | None:
    cast.record(cast.outcome(score=0.5))
    return Event.objects.latest("id").provenance


def test_what_is_reported_counts_in_full_from_the_vouch_to_its_end(cast: Cast) -> None:
    Vouch.objects.all().delete()
    admin = cast.as_(person("root", Role.ADMIN))
    reporter = cast.as_(cast.buyer).principal
    assert _record_provenance(cast) == Provenance.WORD
    vouching.vouch_for(caller=admin, reporter=reporter, reason="our CI", now=cast.now)
    assert _record_provenance(cast) == Provenance.VOUCHED
    with pytest.raises(vouching.InvalidVouch, match="already"):
        vouching.vouch_for(caller=admin, reporter=reporter, reason="again", now=cast.now)
    vouching.end_vouch(caller=admin, reporter=reporter, now=cast.now)
    assert _record_provenance(cast) == Provenance.WORD
    with pytest.raises(vouching.InvalidVouch, match="Nobody vouches"):
        vouching.end_vouch(caller=admin, reporter=reporter, now=cast.now)
    (row,) = vouching.list_vouches(caller=cast.as_(cast.auditor))
    assert (row.reason, row.ended_by) == ("our CI", admin.principal)


def test_nobody_but_an_administrator_vouches_and_none_for_an_assistant(cast: Cast) -> None:
    reporter = cast.as_(cast.stranger).principal
    for user in (cast.seller, cast.stranger, cast.auditor):
        with pytest.raises(errors.Forbidden):
            vouching.vouch_for(
                caller=cast.as_(user), reporter=reporter, reason="a friend", now=cast.now
            )
    with pytest.raises(errors.Forbidden):
        vouching.list_vouches(caller=cast.as_(cast.seller))
    admin = cast.as_(person("root", Role.ADMIN))
    with pytest.raises(vouching.InvalidVouch, match="is an assistant"):
        vouching.vouch_for(
            caller=admin, reporter=cast.scout.principal, reason="itself", now=cast.now
        )
    with pytest.raises(vouching.InvalidVouch, match="reason"):
        vouching.vouch_for(caller=admin, reporter=reporter, reason=" ", now=cast.now)
