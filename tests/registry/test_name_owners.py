"""A task's and a rule set's name belong to the team that registered it first."""

import json

import pytest
from click.testing import CliRunner

from mintmark.accounts.models import Role
from mintmark.cli.main import main
from mintmark.registry import codices, name_owners, rituals
from mintmark.registry.models import Codex, NameOwner, Ritual
from tests.factories.cast import Cast, person

pytestmark = pytest.mark.django_db

CLAUSE = {
    "id": "short", "text": "Keep it short.", "severity": "block", "applies_to": "prompt",
    "check": {"kind": "max-tokens", "value": 400},
}  # fmt: skip


def _task(cast: Cast, by: object, *, cases: int) -> Ritual:
    caller = cast.as_(by) if by is not None else None  # type: ignore[arg-type]
    return rituals.register(
        name="sorting", tag="task:sorting", definition={"cases": cases}, caller=caller
    )


def test_only_the_owner_releases_the_next_version_of_a_task(built_cast: Cast) -> None:
    cast = built_cast
    first = _task(cast, cast.seller, cases=1)
    owner = NameOwner.objects.get()
    assert (owner.kind, owner.name, owner.team) == ("ritual", "sorting", cast.sellers)
    with pytest.raises(name_owners.OwnedName, match="belongs to team sellers"):
        _task(cast, cast.buyer, cases=2)
    assert _task(cast, cast.buyer, cases=1) == first  # the same again is no release
    assert _task(cast, cast.seller, cases=2).version == 2
    assert _task(cast, person("root", Role.ADMIN), cases=3).version == 3


def test_only_the_owner_releases_the_next_version_of_a_rule_set(built_cast: Cast) -> None:
    cast = built_cast
    codices.register(name="house", clauses=[CLAUSE], caller=cast.as_(cast.seller))
    weaker = {**CLAUSE, "severity": "warn"}
    with pytest.raises(name_owners.OwnedName, match="choose another name"):
        codices.register(name="house", clauses=[weaker], caller=cast.as_(cast.buyer))
    assert list(Codex.objects.filter(name="house").values_list("version", flat=True)) == [1]


def test_a_name_from_before_is_an_administrators_until_it_is_given_away(built_cast: Cast) -> None:
    cast = built_cast
    _task(cast, None, cases=1)
    with pytest.raises(name_owners.OwnedName, match="an administrator releases"):
        _task(cast, cast.seller, cases=2)
    given = CliRunner().invoke(
        main, ["team", "give-name", "ritual", "sorting", "sellers", "--json"]
    )
    assert json.loads(given.output)["team"] == "sellers"
    assert _task(cast, cast.seller, cases=2).version == 2


def test_the_owner_hands_its_name_over_and_nobody_else_does(built_cast: Cast) -> None:
    cast = built_cast
    _task(cast, cast.seller, cases=1)
    give = {"kind": NameOwner.Kind.RITUAL, "name": "sorting", "team": cast.buyers, "now": cast.now}
    with pytest.raises(name_owners.errors.Forbidden):
        name_owners.give(caller=cast.as_(cast.buyer), **give)  # type: ignore[arg-type]
    name_owners.give(caller=cast.as_(cast.seller), **give)  # type: ignore[arg-type]
    assert _task(cast, cast.buyer, cases=2).version == 2
    with pytest.raises(name_owners.OwnedName):
        _task(cast, cast.seller, cases=3)
