"""What a caller may do here, where the verb below does not decide it."""

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role, Team
from mintmark.common import errors
from mintmark.deployments import injections
from mintmark.registry.models import Assistant


def require_role_in_any_team(caller: Caller, role: Role) -> None:
    """Refuse unless the caller holds `role` in some team: for what belongs to the whole installation."""
    if not caller.has_role_anywhere(role):
        raise errors.Forbidden(f"This takes the role {role.value!r} in at least one team.")


def require_role_in_team(caller: Caller, *roles: Role, team: Team) -> None:
    """Refuse unless the caller holds one of `roles` in `team`."""
    if not caller.has_role(*roles, team_id=team.pk):
        role_names = " or ".join(repr(role.value) for role in roles)
        raise errors.Forbidden(f"This takes the role {role_names} in team {team}.")


def require_record_reader(caller: Caller, *, assistant: Assistant) -> None:
    """Refuse unless the caller may see what was done to an assistant: itself, its team, an auditor. No text of a prompt
    belongs to that."""
    if not caller.has_role(Role.AUDITOR, team_id=assistant.team_id):
        injections.require_may_read(caller=caller, assistant=assistant)


def may_read_record(caller: Caller, *, assistant: Assistant) -> bool:
    """As `require_record_reader`, for what must not be told from what there is not."""
    try:
        require_record_reader(caller, assistant=assistant)
    except errors.Forbidden:
        return False
    return True


def resolve_team(caller: Caller, *, name: str | None) -> Team:
    """The team named, which must be the caller's to name; without a name his own."""
    if name is None:
        team = caller.principal.team
        if team is None:
            raise errors.Forbidden("The caller has no team; name the one to act for in `team`.")
        return team
    named_team = Team.objects.filter(name=name).first()
    if named_team is None or not (caller.is_admin or named_team.pk in caller.team_ids):
        raise errors.Forbidden(f"The caller is in no team {name[:100]!r}.")
    return named_team
