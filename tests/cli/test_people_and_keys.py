"""Users, teams and keys from the command line: what it takes to start without the demo."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from mintmark.accounts import authentication, callers
from mintmark.accounts.models import Role, User
from mintmark.cli import actor, exit_codes
from mintmark.registry import assistants
from tests.cli.conftest import Call

pytestmark = pytest.mark.django_db

Answer = Callable[..., Any]


def test_a_user_gets_a_password_and_the_roles_asked_for(answer: Answer) -> None:
    answer("team", "create", "support")
    made = answer("user", "create", "ana", "--role", "operator", "--team", "support")
    user = User.objects.get(username="ana")
    caller = callers.from_user(user=user)
    assert user.check_password(made["password"])
    (team_id,) = caller.team_ids
    assert caller.has_role(Role.OPERATOR, team_id=team_id)
    assert not caller.has_role(Role.OPERATOR, team_id=None)


def test_a_password_can_come_from_standard_input_and_is_not_printed(call: Call) -> None:
    result = call("user", "create", "ana", "--password-stdin", input="correct horse battery\n")
    assert User.objects.get(username="ana").check_password("correct horse battery")
    assert "correct horse" not in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("user", "create", "demo user!"), "username"),
        (("user", "create", "ana", "--team", "nowhere"), "No team"),
        (("user", "create", "ana", "--role", "king"), "king"),
        (("team", "create", "Übung"), "a-z"),
        (("key", "issue", "nobody"), "Nobody is called"),
        (("key", "issue", "console", "--scope", "everything"), "everything"),
        (("key", "revoke", "mm_00000000"), "No key"),
    ],
)
def test_what_cannot_be_made_is_refused_and_said(
    call: Call, arguments: tuple[str, ...], said: str
) -> None:
    actor.get_caller()
    result = call(*arguments)
    assert result.exit_code == exit_codes.BAD_INPUT
    assert said in result.stderr


def test_a_name_is_given_once(call: Call) -> None:
    assert call("user", "create", "ana").exit_code == exit_codes.DONE
    assert call("user", "create", "ana").exit_code == exit_codes.BAD_INPUT


def test_a_guessable_password_is_refused(call: Call) -> None:
    result = call("user", "create", "ana", "--password-stdin", input="12345\n")
    assert result.exit_code == exit_codes.BAD_INPUT
    assert not User.objects.filter(username="ana").exists()


def test_a_team_made_twice_stays_as_it_is(answer: Answer) -> None:
    assert answer("team", "create", "support", "--title", "Desk")["created"] is True
    assert answer("team", "create", "support")["created"] is False
    assert [team["title"] for team in answer("team", "list")] == ["Desk"]


def test_a_key_works_until_it_is_revoked_and_its_secret_is_shown_once(answer: Answer) -> None:
    answer("user", "create", "ana", "--role", "operator")
    issued = answer("key", "issue", "ana", "--scope", "read", "--scope", "evidence")
    now = datetime.now(UTC)
    assert authentication.authenticate(secret=issued["secret"], now=now) is not None
    (listed,) = answer("key", "list", "ana")
    assert issued["secret"] not in str(listed)
    assert listed["scopes"] == ["evidence", "read"]
    answer("key", "revoke", listed["prefix"])
    assert authentication.authenticate(secret=issued["secret"], now=datetime.now(UTC)) is None


def test_only_the_key_is_on_standard_output(call: Call) -> None:
    actor.get_caller()
    result = call("key", "issue", "console")
    assert (
        authentication.authenticate(secret=result.stdout.strip(), now=datetime.now(UTC)) is not None
    )


def test_a_name_of_a_person_and_an_assistant_must_be_told_apart(call: Call, answer: Answer) -> None:
    from mintmark.accounts.models import Team, User

    answer("user", "create", "somebody")
    answer("team", "create", "support")
    assistants.register(
        name="scout", owner=actor.get_caller().principal, team=Team.objects.get(name="support")
    )
    # As in stores of the time when nothing refused it.
    User.objects.filter(username="somebody").update(username="scout")
    assert call("key", "issue", "scout").exit_code == exit_codes.BAD_INPUT
    assert answer("key", "issue", "assistant:scout")["kind"] == "assistant"
    assert answer("key", "issue", "person:scout")["kind"] == "person"


def test_lists_name_who_and_say_what_to_do_when_empty(call: Call) -> None:
    assert "mintmark key issue" in call("key", "list").stdout
    assert "mintmark team create" in call("team", "list").stdout
    call("user", "create", "ana", "--role", "auditor")
    assert "auditor in every team" in call("user", "list").stdout


def test_nobody_signs_in_as_the_console() -> None:
    user = actor.get_caller().principal.user
    assert user is not None
    assert not user.has_usable_password()
    assert actor.get_caller().principal == actor.get_caller().principal
