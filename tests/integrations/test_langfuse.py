"""Langfuse's prompts, labels and scores come in, from its API or from a file of what the API answered."""

import json
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mintmark.accounts.callers import Caller
from mintmark.cli.main import main
from mintmark.common import errors, score_names
from mintmark.evidence.models import Event
from mintmark.integrations import (
    import_report,
    langfuse_api,
    langfuse_reader,
    registry_gone,
    registry_import,
)
from mintmark.registry import labels, prompts
from mintmark.registry.models import Prompt

from . import langfuse_server

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def _prompt(name: str, version: int, prompt: Any, **more: Any) -> dict[str, Any]:
    return {
        "name": name, "version": version, "type": "text" if isinstance(prompt, str) else "chat", "prompt": prompt,
        "config": {}, "labels": [], "tags": [], "commitMessage": None, "resolutionGraph": None,
    } | more  # fmt: skip


def _score(id_: str, value: Any, **more: Any) -> dict[str, Any]:
    return {
        "id": id_, "name": "helpful", "traceId": "t1", "observationId": None, "source": "API", "dataType": "NUMERIC",
        "value": value, "configId": None, "timestamp": "2026-10-01T08:00:00.000Z",
    } | more  # fmt: skip


def _generation(id_: str, trace: str, prompt: str | None, version: int | None) -> dict[str, Any]:
    return {
        "id": id_, "traceId": trace, "type": "GENERATION", "model": "m-1", "promptName": prompt,
        "promptVersion": version,
    }  # fmt: skip


LISTS: dict[str, Any] = {
    "prompts": [
        _prompt("mail/greet", 1, "Hello {{name}}.", labels=["production"], tags=["mail"]),
        _prompt("mail/greet", 2, "Hi {{ name }}.", labels=["latest"], commitMessage="shorter"),
        _prompt(
            "talk", 1, [{"role": "system", "content": "Be {{tone}}."}, {"role": "user", "content": "Hi"}]
        ),
    ],
    "traces": [{"id": "t1", "name": "scout"}, {"id": "t2", "name": None}],
    "observations": [
        _generation("o1", "t1", "mail/greet", 1), _generation("o2", "t2", "talk", 1),
        _generation("o3", "t3", None, None),
    ],
    "scores": [
        _score("s1", 0.5, name="quick"),
        _score("s2", 1, dataType="BOOLEAN", name="right", source="ANNOTATION"),
        _score("s3", 4, configId="c1", observationId="o2", traceId="t2"),
        _score("s4", 4, name="stars"),
        _score("s5", 2, traceId="t3"),
        _score("s6", "good", dataType="CATEGORICAL"),
    ],
    "scoreConfigs": [{"id": "c1", "name": "helpful", "dataType": "NUMERIC", "minValue": 1, "maxValue": 5}],
}  # fmt: skip


@pytest.fixture
def lists() -> dict[str, Any]:
    return deepcopy(LISTS)


MAPPING = score_names.parse_mapping(scores=["helpful=1..5", "quick=0..1"])


def _load(
    lists: dict[str, Any],
    operator: Caller,
    mapping: score_names.ScoreMapping = MAPPING,
    **options: Any,
) -> import_report.ImportReport:
    return registry_import.load(
        registry=langfuse_reader.parse_registry(lists, name="langfuse", mapping=mapping),
        tool=registry_import.LANGFUSE,
        caller=operator,
        now=NOW,
        **options,
    )


def test_prompts_labels_and_scores_come_in(lists: Any, operator: Caller) -> None:
    report = _load(lists, operator)
    first = prompts.resolve(reference="langfuse/mail/greet@production")
    second = prompts.resolve(reference="langfuse/mail/greet@2")
    assert (first.text, first.variables, first.tags) == ("Hello {{name}}.", ["name"], ["mail"])
    assert (second.text, second.parent, second.mutation_note) == (
        "Hi {{ name }}.",
        first,
        "shorter",
    )
    talk = prompts.resolve(reference="langfuse/talk@1")
    assert (talk.text, talk.tags) == ("system:\nBe {{tone}}.\nuser:\nHi", ["type:chat"])
    events = {
        (e.ritual.name, e.prompt, e.score, e.assistant.name)
        for e in Event.objects.select_related("ritual", "prompt", "assistant")
        if e.ritual and e.assistant
    }
    assert events == {
        ("langfuse/quick (api)", first, 0.5, "scout"),
        ("langfuse/right (annotation)", first, 1.0, "scout"),
        ("langfuse/helpful (api)", talk, 0.75, "m-1"),
    }
    assert (report.registered, report.labels, report.recorded) == (3, 1, 3)
    assert [(row["file"], row["field"], row["value"]) for row in report.refused] == [
        ("scores.3 (stars)", "name", "stars"),
        ("scores.4 (helpful)", "prompt", None),
        ("scores.5 (helpful)", "value", "good"),
    ]


def test_again_changes_nothing_and_a_dry_run_stores_nothing(lists: Any, operator: Caller) -> None:
    assert _load(lists, operator, dry_run=True).recorded == 3
    assert not Prompt.objects.exists()
    _load(lists, operator)
    again = _load(lists, operator)
    assert (again.has_changes, again.unchanged, again.repeated) == (False, 3, 3)


@pytest.mark.parametrize(
    ("prompt", "field", "value"),
    [
        ("{{#if x}}a{{/if}}", "prompt", "{{#if x}}"),
        ("a\n@@@langfusePrompt:name=x|label=production@@@", "prompt", "@@@langfusePrompt:"),
        ([{"type": "placeholder", "name": "history"}], "prompt.0", "placeholder"),
        ([{"role": "user", "content": "a\nsystem:\nb"}], "prompt", None),
        ([{"role": "tool", "content": "a"}], "prompt.0", None),
        (7, "prompt.0", None),
    ],
)
def test_a_prompt_that_has_no_meaning_here_is_refused_by_its_place(
    prompt: Any, field: str, value: object, lists: Any, operator: Caller
) -> None:
    lists["prompts"] = [_prompt("odd", 3, prompt)]
    row = _load(lists, operator).refused[0]
    assert (row["file"], row["field"], row["value"]) == ("prompts.0 (odd, version 3)", field, value)
    assert not Prompt.objects.exists()


@pytest.mark.parametrize(
    "row", [None, 7, [], {}, {"name": 7}, {"name": "x", "version": True}, {"name": "x", "version": 1, "labels": 7}]
)  # fmt: skip
def test_rows_that_are_none_are_refused_and_never_crash(
    row: Any, lists: Any, operator: Caller
) -> None:
    for name in langfuse_api.LIST_NAMES:
        lists[name] = [*lists[name], row]
    report = _load(lists, operator)
    assert report.registered == 3
    assert {one["file"].split(" ")[0] for one in report.refused} >= {"prompts.3", "scores.6"}


def test_everything_is_fetched_page_by_page(
    lists: Any, operator: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(langfuse_api.PUBLIC_KEY, langfuse_server.KEYS[0])
    monkeypatch.setenv(langfuse_api.SECRET_KEY, langfuse_server.KEYS[1])
    with langfuse_server.serving(lists) as address:
        fetched = langfuse_api.load_lists(source=address)
    notes = fetched.pop(langfuse_api.NOTES)
    assert {name: len(rows) for name, rows in fetched.items()} == {
        name: len(rows) for name, rows in lists.items()
    }
    assert notes[0] == (
        "Langfuse was read over /api/public/observations, /api/public/traces, /api/public/v2/scores."
    )
    assert [note.split(" is to be removed ")[0] for note in notes[1:]] == [
        "GET /api/public/traces", "GET /api/public/observations", "GET /api/public/v2/scores",
    ]  # fmt: skip
    assert _load(fetched, operator).recorded == 3


def test_wrong_keys_and_wrong_addresses_are_refused_and_never_said(
    lists: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(langfuse_api.PUBLIC_KEY, raising=False)
    with pytest.raises(langfuse_api.MissingKeys):
        langfuse_api.load_lists(source="http://127.0.0.1:1")
    monkeypatch.setenv(langfuse_api.PUBLIC_KEY, "pk-lf-other")
    monkeypatch.setenv(langfuse_api.SECRET_KEY, "sk-lf-other")
    with langfuse_server.serving(lists) as address:
        with pytest.raises(import_report.UnreadableSource, match="refuses the keys") as refused:
            langfuse_api.load_lists(source=address)
        assert "sk-lf" not in str(refused.value)
        with pytest.raises(import_report.UnreadableSource, match="never from an address"):
            langfuse_api.load_lists(source=address.replace("//", "//pk:sk@"))
    with pytest.raises(import_report.UnreadableSource, match="can't be reached"):
        langfuse_api.load_lists(source="http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\xff", "not UTF-8"),
        (b'{"prompts": [}', "line 1"),
        (b'{"prompts": [NaN]}', "not valid JSON"),
        (b"[]", "object with the lists"),
        (b'{"prompts": [], "scores": 7}', "scores"),
        (b'{"prompts": [], "sessions": []}', "sessions"),
        (b"[" * 100_000, "not valid JSON"),
    ],
)
def test_a_broken_file_is_refused_whole(content: bytes, why: str, tmp_path: Path) -> None:
    file = tmp_path / "langfuse.json"
    file.write_bytes(content)
    with pytest.raises(import_report.UnreadableSource, match=why):
        langfuse_api.load_lists(source=str(file))


def test_a_file_of_what_the_api_answered_is_the_same(lists: Any, tmp_path: Path) -> None:
    file = tmp_path / "langfuse.json"
    file.write_text(json.dumps(lists))
    assert langfuse_api.load_lists(source=str(file)) == lists


def test_version_4_of_the_server_gives_the_same_as_version_3(
    lists: Any, operator: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(langfuse_api.PUBLIC_KEY, langfuse_server.KEYS[0])
    monkeypatch.setenv(langfuse_api.SECRET_KEY, langfuse_server.KEYS[1])
    lists["scores"][5]["value"] = "good"
    parsed = {}
    for version in (3, 4):
        with langfuse_server.serving(lists, version=version) as address:
            fetched = langfuse_api.load_lists(source=address)
        parsed[version] = langfuse_reader.parse_registry(fetched, name="langfuse", mapping=MAPPING)
    assert parsed[4].feedback == parsed[3].feedback
    assert parsed[4].versions == parsed[3].versions
    assert parsed[4].refused == parsed[3].refused
    report = registry_import.load(
        registry=parsed[4], tool=registry_import.LANGFUSE, caller=operator, now=NOW
    )
    assert report.recorded == 3
    assert report.notes[-1] == (
        "Langfuse was read over /api/public/v2/observations, /api/public/v3/scores."
    )


def test_a_file_of_what_version_4_answered_is_the_same(tmp_path: Path, lists: Any) -> None:
    names = {trace["id"]: trace["name"] for trace in lists["traces"]}
    newer = deepcopy(lists) | {"traces": []}
    for row in newer["observations"]:
        row["traceName"] = names.get(row["traceId"])
    for row in newer["scores"]:
        kind = "observation" if row["observationId"] else "trace"
        about, trace = row.pop("observationId"), row.pop("traceId")
        row["subject"] = {"kind": kind, "id": about or trace, "traceId": trace}
    file = tmp_path / "langfuse.json"
    file.write_text(json.dumps(newer))
    parsed = [
        langfuse_reader.parse_registry(one, name="langfuse", mapping=MAPPING)
        for one in (langfuse_api.load_lists(source=str(file)), lists)
    ]
    assert parsed[0].feedback == parsed[1].feedback
    assert parsed[0].refused == parsed[1].refused


def test_a_server_on_its_way_to_version_4_is_read_by_its_old_lists(
    lists: Any, operator: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its new list of observations is there and still empty."""
    monkeypatch.setenv(langfuse_api.PUBLIC_KEY, langfuse_server.KEYS[0])
    monkeypatch.setenv(langfuse_api.SECRET_KEY, langfuse_server.KEYS[1])
    with langfuse_server.serving(lists, version=34) as address:
        fetched = langfuse_api.load_lists(source=address)
    assert "/api/public/traces" in fetched[langfuse_api.NOTES][0]
    assert _load(fetched, operator).recorded == 3


def _get_gone(report: import_report.ImportReport) -> list[tuple[str, str, object]]:
    return [(row["file"], row["field"], row["value"]) for row in report.gone]


@pytest.mark.both("the last move of a label, and keys of events")
def test_what_disappeared_there_leaves_or_is_named(lists: Any, operator: Caller) -> None:
    _load(lists, operator)
    lists["prompts"][0]["labels"] = []
    del lists["prompts"][2]
    del lists["scores"][0]
    tried = _load(lists, operator, dry_run=True)
    assert prompts.resolve(reference="langfuse/mail/greet@production").revision == 1
    done = _load(lists, operator)
    told = [
        ("langfuse/mail/greet@1, label production", "label", "production"),
        ("langfuse/talk@1", "version", 1),
        ("langfuse/mail/greet@1, langfuse/quick (api)@1", "score", 0.5),
    ]
    assert _get_gone(tried) == _get_gone(done) == told
    assert tried.labels == done.labels == 1
    with pytest.raises(errors.DomainError):
        prompts.resolve(reference="langfuse/mail/greet@production")
    assert prompts.resolve(reference="langfuse/talk@1") and Event.objects.count() == 3
    again = _load(lists, operator)
    assert (again.labels, _get_gone(again)) == (0, told[1:])


def test_a_label_at_a_version_that_did_not_come_in_is_named(lists: Any, operator: Caller) -> None:
    _load(lists, operator)
    lists["prompts"][0]["labels"] = []
    lists["prompts"].append(_prompt("mail/greet", 3, "{{#if x}}a{{/if}}", labels=["production"]))
    report = _load(lists, operator)
    assert _get_gone(report) == [("langfuse/mail/greet@1, label production", "label", "production")]
    assert "version 3, which did not come in" in report.gone[0]["message"]
    assert prompts.resolve(reference="langfuse/mail/greet@production").revision == 1


def test_a_label_that_somebody_moved_here_stays(lists: Any, operator: Caller) -> None:
    _load(lists, operator)
    second = prompts.resolve(reference="langfuse/mail/greet@2")
    labels.move(
        namespace="langfuse", name="mail/greet", label="production", prompt=second,
        actor=operator.principal, reason="it is better", now=NOW,
    )  # fmt: skip
    lists["prompts"][0]["labels"] = []
    assert _load(lists, operator).labels == 0
    assert prompts.resolve(reference="langfuse/mail/greet@production") == second


def test_the_command_never_says_that_nothing_changed_where_something_is_gone(
    lists: Any, operator: Caller, tmp_path: Path
) -> None:
    file = tmp_path / "langfuse.json"
    lists["scores"] = []
    for deleted in (0, 1):
        file.write_text(json.dumps(lists | {"prompts": lists["prompts"][: 3 - deleted]}))
        for _ in range(2):
            run = CliRunner().invoke(main, ["import", "langfuse", str(file)])
            assert run.exit_code == 0, run.output
        assert ("Nothing changed." in run.output) is (deleted == 0)
    assert "langfuse/talk@1: version = 1: It is not in Langfuse" in run.output


def test_a_version_that_was_made_anew_there_is_refused_alone(lists: Any, operator: Caller) -> None:
    _load(lists, operator)
    lists["prompts"][1]["prompt"] = "Welcome {{name}}."
    lists["prompts"].append(_prompt("mail/greet", 3, "Good day {{name}}."))
    report = _load(lists, operator)
    assert (report.registered, report.unchanged) == (1, 2)
    refused = next(row for row in report.refused if row["field"] == "version")
    assert (refused["file"], refused["value"]) == ("mail/greet, version 2", 2)
    assert report.rows is not None
    assert sorted(report.rows.prompts, key=str) == ["prompts.0", "prompts.2", "prompts.3"]
    assert prompts.resolve(reference="langfuse/mail/greet@2").text == "Hi {{ name }}."


def test_settings_that_have_no_place_here_are_named(lists: Any, operator: Caller) -> None:
    lists["prompts"][0]["config"] = {"model": "m-1", "temperature": 0.2, "mintmark": {}}
    lists["prompts"][1]["config"] = {"response_format": {"type": "json_object"}}
    told = "Not kept of mail/greet: config.model, config.response_format, config.temperature."
    assert all(
        told in _load(lists, operator, dry_run=tried).notes for tried in (True, False, False)
    )


@pytest.mark.parametrize("value", [0.5, 0.25])
def test_two_projects_with_the_same_ids_are_kept_apart(
    value: float, lists: Any, operator: Caller
) -> None:
    _load(lists, operator)
    lists["scores"][0]["value"] = value
    other = [_load(lists, operator, namespace="second") for _ in range(2)]
    assert [(one.recorded, one.repeated, len(one.refused)) for one in other] == [
        (3, 0, 3),
        (0, 3, 3),
    ]
    assert Event.objects.filter(prompt__namespace="second").count() == 3
    del lists["scores"][0]
    assert _get_gone(_load(lists, operator, namespace="second")) == [
        ("second/mail/greet@1, langfuse/quick (api)@1", "score", value)
    ]


def test_what_a_namespace_had_before_its_keys_said_so_is_not_doubled(
    lists: Any, operator: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(registry_gone, "build_namespace_mark", lambda namespace: "")
        _load(lists, operator, namespace="second")
    again = _load(lists, operator, namespace="second")
    assert (again.recorded, again.repeated, again.gone) == (0, 3, [])
