"""What could take for ever, or all of the memory, is refused or cut off: by counts, and with the place of it."""

import json
from typing import Any

import pytest

from mintmark.common import documents
from mintmark.evidence.models import Event
from mintmark.registry import codices
from mintmark.registry.models import Ritual
from mintmark.registry.rituals import InvalidRitual
from mintmark.rituals import definitions, dreamframes, prompt_building, run_worker, runs
from mintmark.rituals.models import RitualRun
from mintmark.textchecks import assertions
from mintmark.textchecks.json_schema import work_budget
from tests import oversize_inputs
from tests.factories.ritual_scene import Scene, rows

from .model_server import Model

pytestmark = pytest.mark.django_db


def written(**more: Any) -> str:
    """A ritual of one case as a file states it."""
    case = {"vars": {"ticket": "t"}, "assert": [{"type": "contains", "value": "x"}]}
    return json.dumps({"name": "n", "tag": "t", "cases": [case]} | more)


def refused(text: str) -> InvalidRitual:
    """What is said of a file that is no ritual; nothing of it is kept."""
    before = Ritual.objects.count()
    with pytest.raises(InvalidRitual) as told:
        definitions.load_ritual(text=text)
    assert Ritual.objects.count() == before
    return told.value


def test_a_catastrophic_pattern_is_decided_in_a_ritual_and_in_a_codex(scene: Scene) -> None:
    codex = codices.register(
        name="patient", clauses=[oversize_inputs.clause("not-regex", oversize_inputs.CATASTROPHIC)]
    )
    codices.bind(prompt=scene.cast.prompt, codex=codex)
    pattern = {"type": "regex", "value": oversize_inputs.CATASTROPHIC}
    ritual = definitions.load_ritual(
        text=written(cases=[{"vars": {"ticket": "t"}, "assert": [pattern]}])
    )
    (row,) = rows(scene.ran("aaa", ritual=ritual))
    assert (row.state, row.score) == ("done", 0.0)
    assert "does not match" in row.assertions[0]["why"]
    assert [one["holds"] for one in row.clauses if one["codex"] == "patient@1"] == [True]


@pytest.mark.parametrize("model_name", ["ten megabytes", "endless"])
def test_a_reply_without_end_is_cut_off_and_nothing_of_it_is_kept(
    scene: Scene, model: Model, model_name: str, settings: Any
) -> None:
    settings.REPLY_MAX_BYTES = 2**20
    scene.reached(model_name, timeout_seconds=60.0, attempts=1, at_once=1)
    run = scene.started()
    scene.worked()
    run.refresh_from_db()
    assert run.state == RitualRun.State.INCOMPLETE
    assert "larger than 1,048,576 bytes" in run.reason
    assert {(row.error, row.output, row.score) for row in rows(run)} == {
        ("reply_too_large", "", None)
    }
    assert not Event.objects.filter(ritual=scene.ritual).exists()
    # What the sockets between them hold, and no more: it hung up.
    assert model.sent_bytes < 5 * 64 * 2**20


@pytest.mark.parametrize("bomb", oversize_inputs.YAML)
def test_a_document_that_is_huge_once_it_is_written_out_is_refused_with_its_line(bomb: str) -> None:
    with pytest.raises(documents.InvalidDocument, match=r"^line \d+: with its aliases written out"):
        definitions.load_ritual(text=f"name: n\ntag: t\n{oversize_inputs.YAML[bomb]}")
    assert not Ritual.objects.exists()


def test_a_hundred_thousand_cases_are_refused_before_one_is_read() -> None:
    told = refused(written(cases=[{}] * 100_000))
    assert "cases: It has 100,000 entries" in told.message
    assert len(told.rows) == 2


def test_placeholders_that_would_fill_gigabytes_are_refused_before_they_are_filled() -> None:
    case = {
        "vars": {"a": "x" * 90_000},
        "assert": [{"type": "contains-any", "value": ["{{a}}" * 20_000] * 10}],
    }
    (row,) = refused(written(cases=[case])).rows
    assert row["field"] == "cases.0.assert.0"
    assert "over 100,000 characters, its placeholders filled in" in row["message"]


def test_what_cases_share_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    read = assertions.parse_assertion

    def counted(raw: object, *, variables: Any) -> assertions.Assertion:
        asked.append(raw)
        return read(raw, variables=variables)

    monkeypatch.setattr(assertions, "parse_assertion", counted)
    made = definitions.parse_definition(
        written(
            cases=[{"vars": {"a": str(n)}} for n in range(500)],
            **{
                "assert": [
                    {"type": "contains", "value": "y"},
                    {"type": "contains", "value": "{{a}}"},
                ]
            },
        )
    )
    assert len(asked) == 1 + 500
    assert made.cases[7].assertions[1].value == "7"
    assert made.cases[7].assertions[0] is made.cases[8].assertions[0]


def test_assertions_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(definitions, "MAX_TOTAL_ASSERTIONS", 20)
    cases = [{"vars": {"a": str(n)}} for n in range(30)]
    told = refused(written(cases=cases, **{"assert": [{"type": "contains", "value": "{{a}}"}]}))
    assert "over 20 assertions together" in told.message


def test_patterns_and_schemas_that_are_too_large_together_are_refused_and_alike_ones_are_not() -> (
    None
):
    alike = {"type": "regex", "value": "[^a]{900}"}
    case = {"vars": {"ticket": "t"}, "assert": [alike]}
    assert len(definitions.parse_definition(written(cases=[case] * 200)).cases) == 200
    each = [
        {"vars": {"ticket": "t"}, "assert": [{"type": "regex", "value": f"[^a]{{900}}{n}"}]}
        for n in range(200)
    ]
    told = refused(written(cases=each))
    assert "too large together" in told.message
    assert told.rows[0]["field"] == "cases.27.assert.0"


def test_a_prompt_that_would_be_huge_once_it_is_filled_is_asked_nowhere(
    scene: Scene, model: Model
) -> None:
    scene.reached()
    prompt = scene.prompt_of("{ticket} " * 2_000)
    case = {"vars": {"ticket": "x" * 90_000}, "assert": [{"type": "contains", "value": "x"}]}
    ritual = definitions.load_ritual(text=written(cases=[case]))
    with pytest.raises(runs.InvalidRun, match="case-1 would ask 180,002,000 characters"):
        scene.started(prompt=prompt, ritual=ritual)
    assert not RitualRun.objects.exists()
    assert model.asked == []


def test_the_length_of_what_is_asked_is_known_before_it_is_built(scene: Scene) -> None:
    scene.reached()
    run = scene.started()
    definition = definitions.get_definition(scene.ritual)
    memory, _ = prompt_building.load_memory(assistant_id=scene.cast.scout.pk, definition=definition)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prompt_building, "MAX_CHARACTERS", 0)
        told = prompt_building.find_oversized_cases(
            prompt=scene.cast.prompt, definition=definition, memory=memory
        )
    job, (frame,) = run_worker.prepare_run_executor(run), dreamframes.load_frames(run=run).values()
    for case in definition.cases:
        sent = sum(len(one.content) for one in job.build_request(case, frame).messages)
        assert 0 <= sent - told[case.id] < 40  # the words around what is remembered


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"$ref": "http://{host}/s.json"}, "points to"),
        ({"$ref": "file:///etc/passwd"}, "points to"),
        ({"items": {"$ref": "http://{host}/s.json#/x"}}, "points to"),
        ({"$schema": "http://{host}/s.json"}, "2020-12"),
    ],
)
def test_a_schema_elsewhere_is_refused_with_its_place_and_fetched_nowhere(
    scene: Scene, model: Model, schema: Any, says: str
) -> None:
    host = scene.url.removeprefix("http://").removesuffix("/v1")
    schema = json.loads(json.dumps(schema).replace("{host}", host))
    case = {"vars": {"ticket": "t"}, "assert": [{"type": "is-json", "value": schema}]}
    (row,) = refused(written(cases=[case])).rows
    assert row["field"] == "cases.0.assert.0"
    assert says in row["message"]
    with pytest.raises(codices.InvalidCodex, match=says) as told:
        codices.register(name="elsewhere", clauses=[oversize_inputs.clause("json-schema", schema)])
    assert told.value.rows[0]["field"] == "check.value"
    assert model.asked == []
    assert model.requests == 0


def test_schemas_that_double_are_undecided_and_so_do_not_hold(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A hundredth of what is allowed; benchmarks.clauses.bounds tries the whole of it.
    monkeypatch.setattr(work_budget, "MAX_WORK", work_budget.MAX_WORK // 100)
    most = assertions.MAX_SCHEMA_WORK // 100
    monkeypatch.setattr(assertions, "MAX_SCHEMA_WORK", most)
    codex = codices.register(
        name="doubling", clauses=[oversize_inputs.clause("json-schema", oversize_inputs.doubling())]
    )
    codices.bind(prompt=scene.cast.prompt, codex=codex)
    doubled = {"type": "is-json", "value": oversize_inputs.doubling()}
    asserted = [doubled, doubled | {"type": "not-is-json"}, doubled, {"type": "is-json"}]
    ritual = definitions.load_ritual(
        text=written(cases=[{"vars": {"ticket": "t"}, "assert": asserted}])
    )
    (row,) = rows(scene.ran("a number", ritual=ritual))
    assert (row.state, row.score) == ("done", 0.25)
    said = [one["why"] for one in row.assertions]
    assert ["more work" in why for why in said] == [True, True, False, False]
    assert ["schemas before it" in why for why in said] == [False, False, True, False]
    (verdict,) = [one for one in row.clauses if one["codex"] == "doubling@1"]
    assert (verdict["holds"], "more work" in verdict["why"]) == (None, True)
