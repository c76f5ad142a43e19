"""promptfoo's files: results of several versions, tests as rituals, and what is refused whole with its place."""

import json
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Team
from mintmark.cli import imports
from mintmark.common import errors
from mintmark.evidence.models import Event
from mintmark.integrations import import_report, promptfoo, promptfoo_rows
from mintmark.market import warranties
from mintmark.registry import assistants
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.rituals import definitions
from tests import oversize_inputs

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
TEMPLATES = ["Translate to {{language}}: {{text}}", "Say in {{language}}: {{text}}\nOnly that."]
PROVIDERS = ["openai:gpt-4o-mini", "anthropic:messages:claude"]
TESTS: list[dict[str, Any]] = [
    {"vars": {"language": "French", "text": "Hello"}, "assert": [{"type": "icontains", "value": "bonjour"}]},
    {"vars": {"language": "German", "text": "Hello"}, "assert": [{"type": "equals", "value": "Hallo"}]},
]  # fmt: skip
SCORES = {(0, 0): [1, 1], (0, 1): [1, 0], (1, 0): [0.5, 0], (1, 1): [0, 0]}

File = Callable[..., Path]


@pytest.fixture
def file(tmp_path: Path) -> File:
    def write(content: Any, name: str = "results.json") -> Path:
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def _results(shape: Callable[[int, int, int], dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "vars": TESTS[test]["vars"],
            "score": SCORES[prompt, provider][test],
            "success": SCORES[prompt, provider][test] == 1,
            "latencyMs": 100,
            "response": {"output": "…"},
            "gradingResult": {
                "pass": True,
                "score": 1,
                "reason": "",
                "componentResults": [
                    {"pass": True, "score": 1, "reason": "", "assertion": TESTS[test]["assert"][0]}
                ],
            },
        }
        | shape(prompt, provider, test)
        for test in range(2)
        for provider in range(2)
        for prompt in range(2)
    ]


def _fill(prompt: int, test: int) -> str:
    """What promptfoo sent."""
    text = TEMPLATES[prompt]
    for name, value in TESTS[test]["vars"].items():
        text = text.replace(f"{{{{{name}}}}}", value)
    return text


def version_3() -> dict[str, Any]:
    """As it is written now: the prompts beside the results, for each provider once."""

    def shape(prompt: int, provider: int, test: int) -> dict[str, Any]:
        return {
            "promptIdx": provider * 2 + prompt,
            "testIdx": test,
            "testCase": TESTS[test],
            "promptId": "0" * 64,
            "provider": {"id": PROVIDERS[provider], "label": ""},
            "prompt": {"raw": _fill(prompt, test), "label": TEMPLATES[prompt]},
            "failureReason": 0,
        }

    return {
        "evalId": "eval-abc-2026-10-01T08:00:00",
        "results": {
            "version": 3,
            "timestamp": "2026-10-01T08:00:00.000Z",
            "prompts": [
                {"raw": raw, "label": raw, "provider": provider, "metrics": {}}
                for provider in PROVIDERS
                for raw in TEMPLATES
            ],
            "results": _results(shape),
            "stats": {"successes": 3, "failures": 5, "errors": 0},
        },
        "config": {"description": "Translations", "prompts": TEMPLATES, "tests": TESTS},
        "shareableUrl": None,
        "metadata": {"promptfooVersion": "0.118.0"},
    }


def version_2() -> dict[str, Any]:
    """As it was: a table whose head holds the prompts; results have no numbers."""

    def shape(prompt: int, provider: int, test: int) -> dict[str, Any]:
        return {
            "provider": {"id": PROVIDERS[provider]},
            "prompt": {"raw": _fill(prompt, test), "label": f"prompts.txt: {prompt}"},
        }

    return {
        "results": {
            "version": 2,
            "timestamp": "2026-10-01T08:00:00.000Z",
            "results": _results(shape),
            "table": {
                "head": {
                    "prompts": [
                        {"raw": raw, "label": f"prompts.txt: {n}", "provider": provider}
                        for provider in PROVIDERS
                        for n, raw in enumerate(TEMPLATES)
                    ],
                    "vars": ["language", "text"],
                },
                "body": [],
            },
            "stats": {"successes": 3, "failures": 5},
        },
        "config": {"description": "Translations"},
        "shareableUrl": None,
    }


def version_1() -> dict[str, Any]:
    """The oldest: a provider is a name, and a prompt's template its `display`."""

    def shape(prompt: int, provider: int, test: int) -> dict[str, Any]:
        return {
            "provider": PROVIDERS[provider],
            "prompt": {"raw": _fill(prompt, test), "display": TEMPLATES[prompt]},
        }

    return {
        "results": {"version": 1, "results": _results(shape), "stats": {}},
        "config": {"description": "Translations"},
    }


@pytest.mark.parametrize("version", [version_3, version_2, version_1])
def test_results_of_every_version_become_the_same(
    file: File, operator: Caller, version: Callable[[], dict[str, Any]]
) -> None:
    report = promptfoo.load(file=file(version()), caller=operator, now=NOW)
    assert (report.registered, report.recorded, report.refused) == (2, 4, ())
    assert report.read == {"results": 8, "prompts": 2, "providers": 2, "tests": 2, "errors": 0}
    assert set(Prompt.objects.values_list("text", flat=True)) == set(TEMPLATES)
    assert set(Assistant.objects.values_list("name", flat=True)) == set(PROVIDERS)
    scores = {
        (event.prompt.text, event.assistant.name): (event.score, event.runs)
        for event in Event.objects.select_related("prompt", "assistant")
        if event.assistant is not None
    }
    assert scores == {
        (TEMPLATES[prompt], PROVIDERS[provider]): (sum(values) / 2, 2)
        for (prompt, provider), values in SCORES.items()
    }
    ritual = Ritual.objects.get()
    assert (ritual.name, ritual.tag) == ("promptfoo/Translations", "task:promptfoo-translations")
    assert [case.variables["language"] for case in definitions.get_definition(ritual).cases] == [
        "French",
        "German",
    ]


def test_a_second_import_changes_nothing(file: File, operator: Caller) -> None:
    for version in (version_3, version_1):
        path = file(version(), f"{version.__name__}.json")
        promptfoo.load(file=path, caller=operator, now=NOW)
        again = promptfoo.load(file=path, caller=operator, now=NOW.replace(month=12))
        assert (again.registered, again.recorded, again.repeated) == (0, 0, 4)
        assert not again.has_changes


def test_a_dry_run_says_the_same_and_stores_nothing(file: File, operator: Caller) -> None:
    path = file(version_3())
    tried = promptfoo.load(file=path, caller=operator, now=NOW, dry_run=True)
    assert not Prompt.objects.exists()
    assert not Ritual.objects.exists()
    done = promptfoo.load(file=path, caller=operator, now=NOW)
    assert (tried.registered, tried.recorded) == (done.registered, done.recorded)


def test_progress_is_told_to_the_end(file: File, operator: Caller) -> None:
    told: list[tuple[int, int]] = []
    promptfoo.load(
        file=file(version_3()),
        caller=operator,
        now=NOW,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(2, 6), (6, 6)], "2 prompts, then 4 pairs of a prompt and a provider"
    told.clear()
    path = file({"tests": TESTS}, "tests.yaml")
    promptfoo.load(
        file=path,
        caller=operator,
        now=NOW,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(2, 2)]


def test_every_importer_can_be_tried_dry_and_answers_in_json() -> None:
    assert len(imports.imports.commands) >= 8
    for name, command in imports.imports.commands.items():
        options = {option for one in command.params for option in one.opts}
        assert {"--dry-run", "--json"} <= options, name


def test_evidence_is_dated_as_the_file_says(file: File, operator: Caller) -> None:
    promptfoo.load(file=file(version_3()), caller=operator, now=NOW)
    assert set(Event.objects.values_list("occurred_at", flat=True)) == {
        datetime(2026, 10, 1, 8, tzinfo=UTC)
    }


def test_errors_of_a_provider_give_no_evidence(file: File, operator: Caller) -> None:
    written = version_3()
    for result in written["results"]["results"][:2]:
        result |= {"failureReason": 2, "error": "API error", "score": 0, "response": {}}
    report = promptfoo.load(file=file(written), caller=operator, now=NOW)
    assert report.read["errors"] == 2
    assert report.rows is not None
    assert report.rows.left_out == {promptfoo_rows.PROVIDER_FAILED: [0, 1]}
    assert sum(Event.objects.values_list("runs", flat=True)) == 6


def test_tests_that_run_code_leave_the_ritual_its_name(file: File, operator: Caller) -> None:
    written = version_3()
    for result in written["results"]["results"]:
        result["testCase"] = {"vars": {}, "assert": [{"type": "javascript", "value": "true"}]}
    report = promptfoo.load(file=file(written), caller=operator, now=NOW)
    assert report.recorded == 4
    assert "cases" not in Ritual.objects.get().definition
    assert any("javascript" in note for note in report.notes)


def test_other_scores_under_the_same_evaluation_are_refused(file: File, operator: Caller) -> None:
    promptfoo.load(file=file(version_3()), caller=operator, now=NOW)
    changed = version_3()
    changed["results"]["results"][0]["score"] = 0.25
    with pytest.raises(errors.IdempotencyKeyReused):
        promptfoo.load(file=file(changed), caller=operator, now=NOW)


def test_a_providers_name_that_another_team_has_is_refused(file: File, operator: Caller) -> None:
    other = Team.objects.create(name="others")
    assistants.register(name=PROVIDERS[0], owner=operator.principal, team=other)
    with pytest.raises(errors.DomainError, match="others") as refused:
        promptfoo.load(file=file(version_3()), caller=operator, now=NOW)
    assert refused.value.code == "name_taken"
    assert not Prompt.objects.exists()


def _broken(path: str, value: Any) -> dict[str, Any]:
    written = deepcopy(version_3())
    *steps, last = path.split(".")
    here: Any = written
    for step in steps:
        here = here[int(step)] if isinstance(here, list) else here[step]
    if isinstance(here, list):
        here[int(last)] = value
    else:
        here[last] = value
    return written


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        ("results.results", [], "results.results"),
        ("results.results", "none", "results"),
        ("results.timestamp", "yesterday", "results.timestamp"),
        ("results.prompts", [3], "results.prompts"),
    ],
)
def test_a_malformed_file_is_refused_whole_with_the_place(
    file: File, operator: Caller, path: str, value: Any, place: str
) -> None:
    with pytest.raises(import_report.UnreadableSource) as refused:
        promptfoo.load(file=file(_broken(path, value)), caller=operator, now=NOW)
    assert place in [row["field"] for row in refused.value.rows]
    assert not Prompt.objects.exists()
    assert not Assistant.objects.exists()
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        ("results.results.3", 7, "results.results.3"),
        ("results.results.3.score", 1.5, "results.results.3.score"),
        ("results.results.3.score", "1", "results.results.3.score"),
        ("results.results.3.score", None, "results.results.3.score"),
        ("results.results.3.provider", None, "results.results.3.provider"),
        ("results.results.3.vars", [1], "results.results.3.vars"),
    ],
)
def test_a_malformed_row_is_refused_by_itself_with_the_place(
    file: File, operator: Caller, path: str, value: Any, place: str
) -> None:
    written = file(_broken(path, value))
    with pytest.raises(import_report.UnreadableSource, match=r"score|provider|vars|object"):
        promptfoo.load(file=written, caller=operator, now=NOW, strict=True)
    assert not Prompt.objects.exists()
    report = promptfoo.load(file=written, caller=operator, now=NOW)
    assert [row["field"] for row in report.refused] == [place]
    assert report.rows is not None
    assert (list(report.rows.refused), len(report.rows.evidence)) == ([3], 7)
    assert sum(Event.objects.values_list("runs", flat=True)) == 7


@pytest.mark.parametrize(
    "content",
    ['{"results": ', '{"results": NaN}', "[" * 100_000, "", '{"results": {}}', "\x00", "7"],
)
def test_what_is_no_file_of_promptfoo_is_refused(
    file: File, operator: Caller, content: str
) -> None:
    with pytest.raises(import_report.UnreadableSource):
        promptfoo.load(file=file(content), caller=operator, now=NOW)


def test_a_prompt_that_hides_characters_is_refused_with_its_rows(
    file: File, operator: Caller
) -> None:
    written = version_3()
    for number in (0, 2):
        written["results"]["prompts"][number]["raw"] = "Trans\u200blate {{text}}"
    for result in written["results"]["results"]:
        result["prompt"].pop("raw")
    report = promptfoo.load(file=file(written), caller=operator, now=NOW)
    assert "ZERO WIDTH" in report.refused[0]["message"]
    assert report.rows is not None
    assert (list(report.rows.refused), len(report.rows.evidence)) == ([0, 2, 4, 6], 4)


CONFIG = """
description: Triage of tickets
prompts: [file://prompt.txt]
providers: [openai:gpt-4o]
defaultTest:
  vars: {product: shop}
  assert:
    - {type: latency, threshold: 5000}
assertionTemplates:
  polite: {type: not-icontains, value: stupid}
tests:
  - description: an outage
    vars: {ticket: The site is down., tone: [calm, angry]}
    assert:
      - {type: icontains-any, value: [urgent, high], weight: 2}
      - $ref: '#/assertionTemplates/polite'
    threshold: 0.5
  - vars: {ticket: 'no'}
    assert:
      - {type: similar, value: "It is not urgent, {{ticket}}", threshold: 0.6}
"""


def test_tests_become_a_ritual(file: File, operator: Caller) -> None:
    report = promptfoo.load(file=file(CONFIG, "promptfooconfig.yaml"), caller=operator, now=NOW)
    assert report.has_changes
    ritual = Ritual.objects.get(name="Triage of tickets")
    cases = definitions.get_definition(ritual).cases
    assert [case.id for case in cases] == ["an-outage-1", "an-outage-1.2", "test-2"]
    assert [case.variables.get("tone") for case in cases] == ["calm", "angry", None]
    assert {case.variables["product"] for case in cases} == {"shop"}
    assert [one.name for one in cases[0].assertions] == [
        "latency",
        "icontains-any",
        "not-icontains",
    ]
    assert [case.threshold for case in cases] == [0.5, 0.5, None]
    assert cases[2].assertions[1].value == "It is not urgent, no"
    again = promptfoo.load(file=file(CONFIG, "promptfooconfig.yaml"), caller=operator, now=NOW)
    assert not again.has_changes


@pytest.mark.parametrize(
    ("before", "after", "place"),
    [
        ("icontains-any", "javascript", "cases.0.assert.1"),
        ("icontains-any", "rouge-n", "cases.0.assert.1"),
        ("    threshold: 0.5", "    options: {transform: output.trim()}", "tests.0.options.transform"),
        ("    threshold: 0.5", "    provider: openai:gpt-4", "tests.0.provider"),
        ("The site is down.", "file://ticket.txt", "tests.0.vars.ticket"),
        ("{type: latency, threshold: 5000}", "{type: assert-set, assert: []}", "cases.0.assert.0"),
        ("urgent, high", "'{{ ticket | title }}', high", "tests.0.assert.1.value"),
        ("urgent, high", "'{{ nobody }}', high", "tests.0.assert.1.value"),
        ("The site is down.", "'{{ product | upper }}'", "tests.0.vars"),
        ("tests:", "tests: file://tests.csv\nothers:", "tests"),
        ("[calm, angry]", "{a: 1}", "tests.0.vars.tone"),
    ],
)  # fmt: skip
def test_tests_that_mean_something_else_here_are_refused_with_the_place(
    file: File, operator: Caller, before: str, after: str, place: str
) -> None:
    path = file(CONFIG.replace(before, after, 1), "promptfooconfig.yaml")
    with pytest.raises(import_report.UnreadableSource) as refused:
        promptfoo.load(file=path, caller=operator, now=NOW)
    assert place in [row["field"] for row in refused.value.rows]
    assert not Ritual.objects.exists()


@pytest.mark.parametrize("bomb", oversize_inputs.YAML)
def test_a_file_that_is_huge_once_it_is_written_out_is_refused_with_its_line(
    file: File, operator: Caller, bomb: str
) -> None:
    path = file(f"{CONFIG}\n{oversize_inputs.YAML[bomb]}", "promptfooconfig.yaml")
    with pytest.raises(
        import_report.UnreadableSource, match=r"line \d+: with its aliases written out"
    ):
        promptfoo.load(file=path, caller=operator, now=NOW)
    assert not Ritual.objects.exists()


def test_a_default_that_is_huge_once_every_test_has_it_is_refused(
    file: File, operator: Caller
) -> None:
    written = {
        "defaultTest": {"assert": [{"type": "contains", "value": "x" * 90_000}]},
        "tests": [{"vars": {"a": "b"}}] * 100,
    }
    with pytest.raises(import_report.UnreadableSource, match="8,388,608 characters"):
        promptfoo.load(file=file(written), caller=operator, now=NOW)
    assert not Ritual.objects.exists()


def test_imported_results_are_asked_what_warranties_they_decide(
    file: File, operator: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prompts and assistants come in under one team, which can't buy its own: so that it is asked is all there is."""
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(warranties, "decide_measured", lambda **batch: asked.append(batch))
    promptfoo.load(file=file(version_3()), caller=operator, now=NOW)
    promptfoo.load(file=file(version_3()), caller=operator, now=NOW)
    assert asked == [
        {"batch": Event.objects.values_list("batch", flat=True).distinct().get(), "now": NOW}
    ]
