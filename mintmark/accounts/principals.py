"""Principals: the one identity that the logs name."""

from mintmark.common import errors

from .models import Principal, Team, User


def get_or_create_for_user(*, user: User) -> Principal:
    """The principal of a person, created when first needed. The person's first team is their cohort."""
    principal = Principal.objects.filter(user=user).first()
    if principal is not None:
        return principal
    team = Team.objects.filter(memberships__user=user).order_by("memberships__id").first()
    return Principal.objects.get_or_create(
        user=user,
        defaults={"kind": Principal.Kind.PERSON, "name": user.get_username(), "team": team},
    )[0]


def create_for_assistant(*, name: str, team: Team | None) -> Principal:
    """A new principal for an assistant of `team`."""
    return Principal.objects.create(kind=Principal.Kind.ASSISTANT, name=name, team=team)


def is_name_of_person(*, name: str) -> bool:
    """Whether a person signs in by this name, in any case of its letters."""
    return User.objects.filter(username__iexact=name).exists()


def is_name_of_assistant(*, name: str) -> bool:
    """Whether an assistant has this name, in any case of its letters."""
    assistants = Principal.objects.filter(kind=Principal.Kind.ASSISTANT)
    return assistants.filter(name__iexact=name).exists()


def create_foreign(*, name: str) -> Principal:
    """A new principal for somebody of another installation: in no team, without a key, and nobody can sign in as
    them."""
    return Principal.objects.create(
        kind=Principal.Kind.FOREIGN, name=name[: Principal._meta.get_field("name").max_length]
    )


def get_installation() -> Principal:
    """This installation itself, which records what it ran of its own accord; nobody can sign in as it."""
    return Principal.objects.get_or_create(
        kind=Principal.Kind.INSTALLATION, defaults={"name": "this installation"}
    )[0]


def resolve(*, reference: str) -> Principal:
    """The principal with a person's sign-in name, with an assistant's name, or with this id.

    If a person and an assistant share a name, use `person:NAME` or `assistant:NAME`.
    """
    kind, _, name = reference.partition(":")
    if kind not in (Principal.Kind.PERSON, Principal.Kind.ASSISTANT):
        kind, name = "", reference
    user, assistant = None, None
    if kind != Principal.Kind.ASSISTANT:
        user = User.objects.filter(username=name).first()
    if kind != Principal.Kind.PERSON:
        assistants = Principal.objects.filter(kind=Principal.Kind.ASSISTANT)
        assistant = assistants.filter(name=name).first()
    if user is not None and assistant is not None:
        raise errors.NotFound(
            f"{name[:100]!r} is a person and an assistant: write person:{name[:100]} or assistant:{name[:100]}."
        )
    if user is not None:
        return get_or_create_for_user(user=user)
    if assistant is not None:
        return assistant
    principal = None
    if name.isascii() and name.isdigit() and len(name) < 19:
        principal = Principal.objects.filter(pk=int(name)).first()
    if principal is None:
        raise errors.NotFound(
            f"Nobody is called {name[:100]!r}: neither a person nor an assistant."
        )
    return principal
