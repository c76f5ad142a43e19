"""Principals: the one identity that books and logs name."""

from .models import Principal, Team, User


def of_user(*, user: User) -> Principal:
    """The principal of a person, made the first time it is needed. His first team is his cohort."""
    found = Principal.objects.filter(user=user).first()
    if found is not None:
        return found
    team = Team.objects.filter(memberships__user=user).order_by("memberships__id").first()
    return Principal.objects.get_or_create(
        user=user,
        defaults={"kind": Principal.Kind.PERSON, "name": user.get_username(), "team": team},
    )[0]


def for_assistant(*, name: str, team: Team | None) -> Principal:
    """A new principal for an assistant of `team`."""
    return Principal.objects.create(kind=Principal.Kind.ASSISTANT, name=name, team=team)
