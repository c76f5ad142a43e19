"""The caller of an operation: one principal, the scopes of their key and the roles they hold. Deny by default."""

from dataclasses import dataclass

from mintmark.common import errors

from . import principals
from .keys import SCOPES
from .models import Key, Membership, Principal, Role, User


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who makes the request. `roles` holds (role, team id); the team is None where the role applies everywhere."""

    principal: Principal
    scopes: frozenset[str]
    roles: frozenset[tuple[str, int | None]]
    team_ids: frozenset[int]

    @property
    def is_assistant(self) -> bool:
        return self.principal.kind == Principal.Kind.ASSISTANT

    @property
    def is_admin(self) -> bool:
        return (Role.ADMIN.value, None) in self.roles

    def has_role(self, *roles: Role, team_id: int | None) -> bool:
        """Whether the caller holds one of `roles` in this team or everywhere; an admin holds them all."""
        sufficient_roles = {role.value for role in roles} | {Role.ADMIN.value}
        return any(
            role in sufficient_roles and team in (None, team_id) for role, team in self.roles
        )

    def has_role_anywhere(self, role: Role) -> bool:
        """Whether the caller holds `role` in any team or everywhere: for what belongs to the whole installation."""
        return self.is_admin or any(role_name == role.value for role_name, _ in self.roles)

    def require_scope(self, scope: str) -> None:
        """Raise `Forbidden` unless the caller's key has `scope`."""
        if scope not in self.scopes and "admin" not in self.scopes:
            raise errors.Forbidden(f"This key lacks the scope {scope!r}; issue one that has it.")


def from_user(*, user: User) -> Caller:
    """A person signed in to the pages: all scopes, and their own roles."""
    return _build_caller(
        principal=principals.get_or_create_for_user(user=user), scopes=frozenset(SCOPES)
    )


def from_key(*, key: Key) -> Caller:
    """The holder of a bearer key: the scopes of the key, the roles of its holder."""
    return _build_caller(principal=key.principal, scopes=frozenset(key.scopes))


def _build_caller(*, principal: Principal, scopes: frozenset[str]) -> Caller:
    roles: set[tuple[str, int | None]] = set()
    teams = {principal.team_id} if principal.team_id else set()
    if principal.user is not None:
        memberships = Membership.objects.filter(user=principal.user).values_list("role", "team_id")
        roles = set(memberships)
        teams |= {team for _, team in roles if team is not None}
        if principal.user.is_superuser:
            roles.add((Role.ADMIN.value, None))
    return Caller(
        principal=principal, scopes=scopes, roles=frozenset(roles), team_ids=frozenset(teams)
    )
