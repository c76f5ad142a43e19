"""Codices and rituals that are huge, or once they are unfolded: refused over HTTP with the place, nothing stored."""

from typing import Any

import pytest

from mintmark.textchecks import clauses
from mintmark.textchecks.json_schema import work_budget
from tests import oversize_inputs
from tests.factories.api_world import World

from .test_bad_input import problem, stored

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/codices", "/codices/check"])
def test_a_codex_of_a_hundred_thousand_clauses_is_refused_before_one_is_read(
    world: World, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[object] = []
    monkeypatch.setattr(clauses, "find_problems", lambda **asked: read.append(asked) or [])
    body: dict[str, Any] = {"clauses": [{}] * 100_000}
    body |= {"name": "huge"} if path == "/codices" else {"text": "x"}
    before = stored()
    told = problem(world.as_("operator").send("POST", path, body), 422, "invalid_codex")
    assert "100,000 clauses; at most 500" in told["detail"]
    assert read == []
    assert stored() == before


@pytest.mark.parametrize("bomb", oversize_inputs.YAML)
def test_a_ritual_that_is_huge_once_it_is_written_out_is_refused_with_its_line(
    world: World, bomb: str
) -> None:
    operator, before = world.as_("operator"), stored()
    for path in ("/rituals/check", "/rituals/load"):
        sent = operator.send("POST", path, {"text": oversize_inputs.YAML[bomb]})
        told = problem(sent, 422, "invalid_document")
        assert told["detail"].startswith("line "), told
        assert "aliases written out" in told["detail"]
    assert stored() == before


def test_a_catastrophic_pattern_is_decided_over_http(world: World) -> None:
    asked = {
        "clauses": [oversize_inputs.clause("regex", oversize_inputs.CATASTROPHIC)], "text": oversize_inputs.AS,
        "applies_to": "output",
    }  # fmt: skip
    told = world.as_("outsider").send("POST", "/codices/check", asked).json()
    assert [one["holds"] for one in told["verdicts"]] == [False]


@pytest.mark.parametrize("elsewhere", ["http://127.0.0.1:9/s.json", "file:///etc/passwd"])
def test_a_codex_whose_schema_is_elsewhere_is_refused_with_its_clause(
    world: World, elsewhere: str
) -> None:
    before = stored()
    rules = [
        oversize_inputs.clause("contains", "x", id_="fine"), oversize_inputs.clause("json-schema", {"$ref": elsewhere})
    ]  # fmt: skip
    body = {"name": "elsewhere", "clauses": rules}
    told = problem(world.as_("operator").send("POST", "/codices", body), 422, "invalid_codex")
    assert [(row["row"], row["field"]) for row in told["rows"]] == [(1, "check.value")]
    assert elsewhere in told["rows"][0]["message"]
    assert stored() == before


def test_a_schema_that_doubles_is_undecided_over_http(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_budget, "MAX_WORK", work_budget.MAX_WORK // 100)
    asked = {
        "clauses": [oversize_inputs.clause("json-schema", oversize_inputs.doubling())], "text": "1",
        "applies_to": "output",
    }  # fmt: skip
    (verdict,) = world.as_("outsider").send("POST", "/codices/check", asked).json()["verdicts"]
    assert verdict["holds"] is None
    assert "more work" in verdict["why"]
