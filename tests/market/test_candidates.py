"""Candidates: what an assistant could put to work by itself, the most trusted first; what its gates keep from it."""

import pytest

from mintmark.deployments import gates, ranking
from mintmark.deployments.models import Mandate
from mintmark.deployments.ranking import GatedRanking
from mintmark.registry import codices, prompts
from tests.factories.cast import NOW, Cast, measured

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast(built_cast: Cast) -> Cast:
    made = built_cast
    for name, score in (("good", 0.9), ("fair", 0.7), ("poor", 0.1)):
        measured(made, made.written(f"acme/{name}", f"Be {name} with {{x}}."), [score] * 9)
    return made


def _ranked(cast: Cast, limit: int = 20) -> GatedRanking:
    usable = prompts.usable_by(caller=cast.as_(cast.buyer), team_id=cast.buyers.pk)
    return ranking.rank_for_task(
        assistant=cast.scout, tasks=[cast.triage], usable=usable, now=NOW, order="trust_low", limit=limit
    )  # fmt: skip


def _names(found: GatedRanking) -> list[str]:
    return [row.prompt.name for row in found.rows]


def test_without_gates_everything_is_a_candidate(cast: Cast) -> None:
    found = _ranked(cast)
    assert _names(found)[:2] == ["good", "fair"]
    assert found.total == len(found.rows) == 4
    assert (found.left_out.trust, found.left_out.contract) == (0, 0)


def test_what_is_under_the_floor_or_breaks_a_rule_is_counted_and_left_out(cast: Cast) -> None:
    floor = _ranked(cast).rows[1].trust.low
    operator = cast.as_(cast.buyer).principal
    Mandate.objects.create(assistant=cast.scout, trust_floor=floor, set_by=operator, set_at=NOW)
    rule = {
        "id": "modest", "text": "Asks for nothing good.", "severity": "block", "applies_to": "prompt",
        "check": {"kind": "not-contains", "value": "good"},
    }  # fmt: skip
    codices.bind_assistant(
        assistant=cast.scout, codex=codices.register(name="modesty", clauses=[rule])
    )
    found = _ranked(cast)
    assert _names(found) == ["fair"]
    assert (found.total, found.left_out.trust, found.left_out.contract) == (1, 2, 1)
    usable = prompts.usable_by(caller=cast.as_(cast.buyer), team_id=cast.buyers.pk)
    for prompt in usable:
        passes = all(
            gate.is_open for gate in gates.list_gates(prompt=prompt, assistant=cast.scout, now=NOW)
        )
        assert passes == (prompt.name == "fair"), "as an injection would find"


def test_a_rule_that_warns_keeps_nothing_out_and_a_contract_binds_its_own_prompt_alone(
    cast: Cast,
) -> None:
    for name, severity in (("good", "warn"), ("fair", "block")):
        rule = {
            "id": name, "text": "Says nothing.", "severity": severity, "applies_to": "prompt",
            "check": {"kind": "not-contains", "value": "Be"},
        }  # fmt: skip
        codex = codices.register(name=name, clauses=[rule])
        codices.bind(prompt=prompts.resolve(reference=f"acme/{name}"), codex=codex)
    found = _ranked(cast, limit=2)
    assert (_names(found)[0], "fair" in _names(found)) == ("good", False)
    assert (found.total, found.left_out.contract) == (3, 1)
