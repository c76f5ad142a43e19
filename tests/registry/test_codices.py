"""Codices: what is taken and refused, the one that binds everybody, whom a codex binds, and what it says."""

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from mintmark.accounts import callers
from mintmark.accounts.models import Role
from mintmark.common import errors
from mintmark.registry import codices, default_codex
from mintmark.registry.codices import InvalidCodex
from mintmark.registry.models import Codex
from mintmark.textchecks import clauses as core_clauses
from tests.factories.cast import Cast, person

pytestmark = pytest.mark.django_db

TOKEN = "ghp_" + "a1B2" * 9


@pytest.fixture
def cast(built_cast: Cast) -> Cast:
    return built_cast


def _clause(name: str = "polite", **changes: Any) -> dict[str, Any]:
    return {
        "id": name, "text": "Asks politely.", "severity": "block", "applies_to": "prompt",
        "check": {"kind": "contains", "value": "please"},
    } | changes  # fmt: skip


def test_changed_clauses_are_the_next_version_and_the_same_ones_are_not() -> None:
    first = codices.register(name="house", clauses=[_clause()])
    assert codices.register(name="house", clauses=[_clause()]) == first
    second = codices.register(name="house", clauses=[_clause(severity="warn")])
    assert [str(first), str(second)] == ["house@1", "house@2"]
    assert codices.resolve(reference="house") == second
    assert codices.resolve(reference="house@1") == first


def test_a_registered_codex_never_changes() -> None:
    codex = codices.register(name="house", clauses=[_clause()])
    for change in ("UPDATE registry_codex SET clauses = '[]'", "DELETE FROM registry_codex"):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"{change} WHERE id = %s", [codex.pk])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"check": {"kind": "magic"}}, "check.kind"),
        ({"check": {"kind": "regex", "value": "(a"}}, "check.value"),
        ({"check": {"kind": "contains", "value": 7}}, "check.value"),
        ({"check": None}, "check"),
        ({"severity": "deadly"}, "severity"),
        ({"applies_to": "output", "check": {"kind": "json-schema", "value": {"type": "x"}}}, "check.value"),
        ({"id": "two\nlines"}, "id"),
        ({"sevrity": "warn"}, "sevrity"),
    ],
)  # fmt: skip
def test_a_clause_that_can_not_be_checked_is_refused_with_its_place(
    changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidCodex) as refused:
        codices.register(name="house", clauses=[_clause("fine"), _clause(**changes)])
    assert [(row["row"], row["field"]) for row in refused.value.rows] == [(1, field)]
    assert not Codex.objects.filter(name="house").exists()


@pytest.mark.parametrize(
    ("clauses", "says"),
    [
        ([], "at least one clause"),
        ([_clause(f"c{n}") for n in range(100_000)], "100,000 clauses"),
        (
            [_clause(check={"kind": "contains", "value": ["x" * 900] * 150})] * 3,
            "characters as JSON",
        ),
        ([_clause(text="a\0b")], "NUL"),
        ([_clause(text="\ud800")], "not JSON"),
        ([_clause(check={"kind": "max-tokens", "value": float("nan")})], "not JSON"),
    ],
    ids=["none", "many", "large", "nul", "surrogate", "nan"],
)
def test_a_codex_that_is_none_is_refused_at_once(clauses: list[Any], says: str) -> None:
    with pytest.raises(InvalidCodex, match=says):
        codices.register(name="house", clauses=clauses)


def test_every_installation_starts_with_a_default_codex_that_says_what_the_code_says() -> None:
    stored = Codex.objects.get(name=default_codex.NAME)
    assert stored.clauses == list(default_codex.CLAUSES)
    assert stored.description == default_codex.DESCRIPTION
    assert not core_clauses.find_problems(clauses=default_codex.CLAUSES)
    assert codices.get_default() == stored


def test_the_default_codex_is_changed_by_an_admin_alone(cast: Cast) -> None:
    with pytest.raises(InvalidCodex, match="binds everybody"):
        codices.register(name="default", clauses=[_clause()])
    admin = callers.from_user(user=person("admin", Role.ADMIN))
    for user in (cast.seller, cast.auditor, cast.stranger):
        with pytest.raises(errors.Forbidden):
            codices.change_default(caller=cast.as_(user), clauses=[_clause()])
    changed = codices.change_default(caller=admin, clauses=[*default_codex.CLAUSES, _clause()])
    assert (str(changed), codices.get_default()) == ("default@2", changed)
    assert not codices.evaluate_prompt(prompt=cast.prompt)[-1].holds


def test_a_prompt_is_bound_by_the_default_its_contracts_and_its_assistant(cast: Cast) -> None:
    house = codices.register(name="house", clauses=[_clause()])
    own = codices.register(name="own", clauses=[_clause("brief")])
    codices.bind(prompt=cast.prompt, codex=house)
    codices.bind(prompt=cast.prompt, codex=house)
    for codex in (own, house):
        codices.bind_assistant(assistant=cast.scout, codex=codex)
    bound = codices.list_binding(prompt=cast.prompt, assistant=cast.scout)
    assert [codex.name for codex in bound] == ["default", "house", "own"]
    assert codices.list_binding(prompt=cast.prompt) == [codices.get_default(), house]
    verdicts = codices.evaluate_prompt(prompt=cast.prompt, assistant=cast.scout)
    assert [(v.codex, v.clause, v.holds) for v in verdicts] == [
        ("default@1", "no-hidden-unicode", True),
        ("default@1", "no-secrets", True),
        ("default@1", "no-unfilled-variables", False),
        ("house@1", "polite", False),
        ("own@1", "brief", False),
    ]


def test_what_was_registered_is_checked_and_not_refused(cast: Cast) -> None:
    leaky = cast.written("acme/leaky", f"Log in with {TOKEN} and sort.")
    plain, told = codices.check_prompts(prompts=[cast.prompt, leaky])
    assert [verdict.clause for verdict in plain.failed_results] == ["no-unfilled-variables"]
    (broken,) = told.failed_results
    assert (broken.clause, broken.severity) == ("no-secrets", "block")
    assert broken.excerpt == "Log in with [a GitHub token] and sort."
    assert TOKEN not in str(told.results)
