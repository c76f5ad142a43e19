"""Names of tasks and rule sets belong to the team that registered them first: it alone releases their next version.

Evidence and contracts name a version, and a bare name stands for the newest: without an owner, anybody could put weaker
rules, or easier cases, under a name that others rely on.
"""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role, Team
from mintmark.common import errors

from .models import NameOwner


class OwnedName(errors.DomainError):
    """A name belongs to another team; the message says to which, and what to do."""

    code = "owned_name"


_NOUNS = {NameOwner.Kind.RITUAL: "task", NameOwner.Kind.CODEX: "rule set"}


def require_release(*, kind: NameOwner.Kind, name: str, caller: Caller, is_known: bool) -> None:
    """Refuse unless this caller may release the next version of a name; a new name becomes their team's.

    `is_known` says that versions exist already. An administrator may release any. A name that was registered before
    names had owners is released by an administrator, until one gives it to a team. Raises `OwnedName`.
    """
    owner = NameOwner.objects.filter(kind=kind, name=name).select_related("team").first()
    if owner is None and not is_known:
        owner = _claim(kind, name, caller)
    if caller.is_admin:
        return
    if owner is None or owner.team is None:
        raise OwnedName(
            f"The {_NOUNS[kind]} {name!r} belongs to no team: an administrator releases its next version, or gives it "
            "to a team (mintmark team give-name). Or choose another name."
        )
    if not caller.has_role(Role.OPERATOR, team_id=owner.team_id):
        raise OwnedName(
            f"The {_NOUNS[kind]} {name!r} belongs to team {owner.team}, which alone releases its versions: choose "
            "another name, or ask that team."
        )


def give(
    *, caller: Caller, kind: NameOwner.Kind, name: str, team: Team, now: datetime
) -> NameOwner:
    """Make a team the owner of a name: an administrator may, and an operator of the team that owns it."""
    caller.require_scope("registry")
    with transaction.atomic():
        owner = NameOwner.objects.select_for_update().filter(kind=kind, name=name).first()
        is_owners = owner is not None and caller.has_role(Role.OPERATOR, team_id=owner.team_id)
        if not caller.is_admin and not (is_owners and owner is not None and owner.team_id):
            raise errors.Forbidden(
                f"The {_NOUNS[kind]} {name!r} is given away by the team that owns it, or by an administrator."
            )
        return NameOwner.objects.update_or_create(
            kind=kind,
            name=name,
            defaults={"team": team, "given_by": caller.principal, "since": now},
        )[0]


def _claim(kind: NameOwner.Kind, name: str, caller: Caller) -> NameOwner:
    try:
        with transaction.atomic():
            return NameOwner.objects.create(
                kind=kind,
                name=name,
                team=_find_home_team(caller),
                given_by=caller.principal,
                since=timezone.now(),
            )
    except IntegrityError:  # another writer claimed it just now
        return NameOwner.objects.select_related("team").get(kind=kind, name=name)


def _find_home_team(caller: Caller) -> Team | None:
    """The caller's own team where they are operator, else the first in which they are; None for the installation."""
    home = caller.principal.team
    if home is not None and caller.has_role(Role.OPERATOR, team_id=home.pk):
        return home
    ids = sorted(team for role, team in caller.roles if role == Role.OPERATOR and team is not None)
    return Team.objects.filter(pk__in=ids).order_by("pk").first()
