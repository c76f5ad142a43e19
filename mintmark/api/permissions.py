"""What a caller may do here, where the verb below does not decide it."""

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role, Team
from mintmark.core import errors


def require_somewhere(caller: Caller, role: Role) -> None:
    """Refuse unless the caller holds `role` in some team: for what belongs to the whole installation."""
    if caller.is_admin or any(held == role.value for held, _ in caller.roles):
        return
    raise errors.Forbidden(f"This takes the role {role.value!r} in at least one team.")


def require_in_team(caller: Caller, *roles: Role, team: Team) -> None:
    """Refuse unless the caller holds one of `roles` in `team`."""
    if not caller.has_role(*roles, team_id=team.pk):
        wanted = " or ".join(repr(role.value) for role in roles)
        raise errors.Forbidden(f"This takes the role {wanted} in team {team}.")


def team_of(caller: Caller, *, name: str | None) -> Team:
    """The team named, which must be the caller's to name; without a name his own."""
    if name is None:
        team = caller.principal.team
        if team is None:
            raise errors.Forbidden("The caller has no team; name the one to act for in `team`.")
        return team
    found = Team.objects.filter(name=name).first()
    if found is None or not (caller.is_admin or found.pk in caller.team_ids):
        raise errors.Forbidden(f"The caller is in no team {name[:100]!r}.")
    return found
