"""What a row of promptfoo's results is worth: evidence, nothing measured, another text, or refused with its place.

The shapes are those that promptfoo 0.123.1 and versions since 2024 wrote.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mintmark.accounts.callers import Caller
from mintmark.evidence.models import Event
from mintmark.integrations import import_report, promptfoo, promptfoo_rows
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.rituals import definitions

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
CONTAINS = {"type": "contains", "value": "a"}
Load = Callable[..., import_report.ImportReport]


@pytest.fixture
def load(tmp_path: Path, operator: Caller) -> Load:
    def read(document: Any, **options: Any) -> import_report.ImportReport:
        path = tmp_path / "results.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return promptfoo.load(file=path, caller=operator, now=NOW, **options)

    return read


def _row(word: str = "a", **more: Any) -> dict[str, Any]:
    return {
        "promptIdx": 0,
        "testIdx": 0,
        "score": 1,
        "success": True,
        "failureReason": 0,
        "vars": {"w": word},
        "provider": {"id": "echo", "label": ""},
        "prompt": {"raw": f"Say {word}", "label": "Say {{w}}"},
        "response": {"output": f"Say {word}"},
        "gradingResult": {"pass": True, "score": 1, "reason": "All assertions passed"},
        "testCase": {"vars": {"w": word}, "assert": [CONTAINS], "options": {}},
    } | more


def _file(rows: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    heads = more.pop("heads", [{"raw": "Say {{w}}", "label": "Say {{w}}", "provider": "echo"}])
    results = {"version": 3, "timestamp": "2026-10-01T08:00:00Z", "prompts": heads, "results": rows}
    return {"evalId": "eval-1", "results": results, "config": {"description": "d"}} | more


def _component(kind: str, **more: Any) -> dict[str, Any]:
    assertion = {"type": kind} | more.pop("assertion", {})
    return {"pass": False, "score": 0, "reason": "it fails", "assertion": assertion} | more


def _grade(*components: dict[str, Any]) -> dict[str, Any]:
    return {"pass": False, "score": 0, "reason": "it fails", "componentResults": [*components]}


NOTHING = {"pass": True, "score": 1, "reason": "No assertions"}
BARE = {"failureReason": None, "gradingResult": None, "testCase": None}
CASES: list[tuple[dict[str, Any], str]] = [
    ({}, ""),
    ({"gradingResult": None}, ""),
    (BARE | {"gradingResult": {"pass": True, "score": 1, "reason": "All assertions passed"}}, ""),
    ({"score": 0, "gradingResult": _grade(_component("contains")), "error": "it fails"}, ""),
    ({"failureReason": 1, "gradingResult": None, "error": "it fails"}, ""),
    ({"gradingResult": NOTHING, "testCase": {"assert": []}}, promptfoo_rows.NOTHING_ASSERTED),
    (BARE, promptfoo_rows.NOTHING_ASSERTED),
    ({"testCase": {"assert": [CONTAINS | {"weight": 0}]}}, promptfoo_rows.NOTHING_WEIGHS),
    (
        {"testCase": {"assert": [{"type": "assert-set", "weight": 0, "assert": [CONTAINS]}]}},
        promptfoo_rows.NOTHING_WEIGHS,
    ),
    ({"testCase": {"assert": [CONTAINS, CONTAINS | {"weight": 0}]}}, ""),
    ({"failureReason": 2, "error": "429", "response": {"error": "429"}}, promptfoo_rows.PROVIDER_FAILED),
    (
        {"failureReason": None, "gradingResult": None, "error": "429", "response": {"error": "429"}},
        promptfoo_rows.PROVIDER_FAILED,
    ),
    (
        {"failureReason": None, "gradingResult": None, "error": "Python execution failed"},
        promptfoo_rows.GRADER_FAILED,
    ),
    ({"failureReason": 2, "error": "Assertion malformed"}, promptfoo_rows.GRADER_FAILED),
    (
        {"gradingResult": _grade(_component("llm-rubric", metadata={"graderError": True}))},
        promptfoo_rows.GRADER_FAILED,
    ),
    (
        {"gradingResult": _grade(_component("llm-rubric", reason="Could not extract JSON from llm-rubric response"))},
        promptfoo_rows.GRADER_FAILED,
    ),
    (
        {"gradingResult": _grade(_component("not-llm-rubric", reason="API error: 500"))},
        promptfoo_rows.GRADER_FAILED,
    ),
    (
        {"gradingResult": _grade(_component("python", reason="Python code execution failed: x"))},
        promptfoo_rows.GRADER_FAILED,
    ),
    (
        {"gradingResult": _grade(_component("llm-rubric", assertion={"weight": 0}, metadata={"graderError": True}))},
        "",
    ),
    ({"gradingResult": _grade(_component("contains", reason="API error: is what the answer lacks"))}, ""),
    (
        {"testCase": {"assert": [{"type": "perplexity-score"}]}, "score": 0.5},
        promptfoo_rows.HALF_SCALE,
    ),
    ({"testCase": {"assert": [{"type": "classifier", "provider": "x"}]}}, promptfoo_rows.NO_LABEL),
    (
        {
            "testCase": {"assert": [{"type": "is-refusal"}]},
            "gradingResult": {"componentResults": [_component("is-refusal", **{"pass": True})]},
        },
        promptfoo_rows.EMPTY_REFUSAL,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "reason"), CASES)
def test_only_what_was_measured_is_evidence(
    load: Load, fields: dict[str, Any], reason: str
) -> None:
    report = load(_file([_row() | fields]))
    assert report.refused == ()
    assert report.rows is not None
    assert report.rows.left_out == ({reason: [0]} if reason else {})
    assert report.recorded == Event.objects.count() == (0 if reason else 1)


@given(st.lists(st.sampled_from(range(len(CASES) + 3)), min_size=1, max_size=8))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_row_is_counted_once_and_a_second_run_says_the_same(
    load: Load, numbers: list[int]
) -> None:
    rows: list[dict[str, Any]] = []
    for n, number in enumerate(numbers):
        broken = [{"score": 7}, {"provider": None}, {"vars": [1]}]
        fields = CASES[number][0] if number < len(CASES) else broken[number - len(CASES)]
        rows.append(_row(f"a{n}", testIdx=n) | fields)
    document = _file(rows, evalId=f"eval-{'-'.join(map(str, numbers))}")
    if all(number >= len(CASES) for number in numbers):
        with pytest.raises(import_report.UnreadableSource):
            load(document)
        return
    tried, done, again = (load(document, dry_run=n == 0) for n in range(3))
    for report in (tried, done, again):
        assert report.rows is not None
        assert report.rows.total == report.read["results"] == len(rows)
        assert report.rows.as_json() == done.rows.as_json() if done.rows else False
    assert (tried.registered, tried.recorded, tried.refused) == (
        done.registered,
        done.recorded,
        done.refused,
    )
    assert (again.recorded, again.repeated, again.has_changes) == (
        0,
        done.recorded + done.repeated,
        False,
    )


CHAT = '[{"role": "system", "content": "You take orders."}, {"role": "user", "content": "I am {{ w }}"}]'


def test_a_chat_in_json_is_messages(load: Load) -> None:
    heads = [{"raw": CHAT, "label": "chat.json", "provider": "echo"}]
    sent = json.dumps(json.loads(CHAT.replace("{{ w }}", 'a \\"b\\"')), indent=2)
    load(_file([_row('a "b"', prompt={"raw": sent, "label": "chat.json"})], heads=heads))
    prompt = Prompt.objects.get()
    assert prompt.text == "system:\nYou take orders.\nuser:\nI am {{ w }}"
    assert (prompt.tags, prompt.variables) == (["type:chat"], ["w"])
    assert Event.objects.count() == 1


@pytest.mark.parametrize(
    ("raw", "label", "says"),
    [
        ("async ({vars}) => `Say ${vars.w}`", "fn.js", "is a function"),
        ("def create(context):\n    return 'Say'", "prompts.py:create", "is a function"),
        ("function (ctx) { return 'Say a'; }", "my prompt", "a function"),
        ("Say {{ w | upper }}", "", "filters are not run"),
        ("{% if w %}Say{% endif %}", "", "blocks are not run"),
        ("Say {{w.length}}", "", "a member of a value"),
        ("Say {{w}} and {who}", "", "is letters in promptfoo"),
        ("langfuse://greet:3:text", "", "kept elsewhere"),
        ('[{"role": "user", "content": [{"type": "image_url"}]}]', "", "image_url"),
        ('[{"role": "tool", "content": "x"}]', "", "the role 'tool'"),
        ('[{"role": "user", "content": {{w}}}]', "", "Message 1"),
        ('{"ask": "{{w}}"}', "", "A chat is a list of messages"),
    ],
)
def test_a_prompt_that_is_no_text_is_refused_and_the_others_come_in(
    load: Load, raw: str, label: str, says: str
) -> None:
    heads = [
        {"raw": raw, "label": label or raw, "provider": "echo"},
        {"raw": "Say {{w}}", "label": "Say {{w}}", "provider": "echo"},
    ]
    rows = [
        _row(vars={"w": "a", "who": "Bo"}, prompt={"raw": "Say A", "label": label or raw}),
        _row(promptIdx=1, vars={"w": "a", "who": "Bo"}),
    ]
    report = load(_file(rows, heads=heads))
    assert {row["field"] for row in report.refused} == {"results.prompts.0"}
    assert says in report.refused[0]["message"]
    assert (report.registered, report.recorded) == (1, 1)
    assert report.rows is not None
    assert (report.rows.evidence, report.rows.refused) == ([1], [0])


def test_what_was_sent_has_to_be_the_template_filled_in(load: Load) -> None:
    rows = [
        _row("a"),
        _row("b", testIdx=1, prompt={"raw": "PRE Say b SUF", "label": "Say {{w}}"}),
        _row("c", testIdx=2, vars={"w": ["p", 1.0, None]}, prompt={"raw": "Say p,1,", "label": ""}),
        _row(
            "d", testIdx=3, vars={"w": "Dear {{x}}\n", "x": "Ann"}, prompt={"raw": "Say Dear Ann"}
        ),
        _row("e", testIdx=4, prompt={"raw": "[prompt stripped]"}),
    ]
    report = load(_file(rows))
    assert report.rows is not None
    assert report.rows.evidence == [0, 2, 3, 4]
    assert [*report.rows.left_out.values()] == [[1]]


def test_two_settings_of_one_provider_are_two_assistants(load: Load) -> None:
    heads = [{"raw": "Say {{w}}", "label": "Say {{w}}", "provider": "echo"}] * 2
    config = {"description": "d", "providers": [{"id": "echo", "config": {"t": n}} for n in (0, 1)]}
    rows = [_row(promptIdx=n, score=n) for n in (1, 0)]
    load(_file(rows, heads=heads, config=config))
    scores = dict(Event.objects.values_list("assistant__name", "score"))
    assert sorted(scores.values()) == [0, 1]
    assert all(name.startswith("echo settings ") for name in scores)
    # The same settings alone in another file are the same assistant.
    alone = config | {"providers": [{"id": "echo", "config": {"t": 1, "apiKey": "secret"}}]}
    load(_file([_row()], evalId="eval-2", config=alone))
    assert Assistant.objects.count() == 2
    unnamed = [_row(promptIdx=None)]
    with pytest.raises(import_report.UnreadableSource, match="2 settings"):
        load(_file(unnamed, evalId="eval-3", config=config))


def test_repeats_are_one_case(load: Load) -> None:
    rows = [_row(word, testIdx=n, score=score) for n, (word, score) in enumerate(
        [("a", 1), ("a", 1), ("a", 0), ("b", 0), ("b", 0), ("b", 0)]
    )]  # fmt: skip
    load(_file(rows))
    event = Event.objects.get()
    assert (event.runs, event.score) == (2, pytest.approx(1 / 3))
    assert len(definitions.get_definition(Ritual.objects.get()).cases) == 2
    verdicts = list(event.cases.order_by("id").values_list("case_id", "score", "runs"))
    assert verdicts == [("test-1", pytest.approx(2 / 3), 1), ("test-2", 0.0, 1)]


def test_a_text_is_one_prompt_whatever_it_is_called(load: Load) -> None:
    for n, label in enumerate(["prompts/short.txt: Say", "brief", "Say {{w}}"]):
        heads = [{"raw": "Say {{w}}", "label": label, "provider": "echo"}]
        load(_file([_row(prompt={"raw": "Say a", "label": label})], heads=heads, evalId=f"e{n}"))
    assert Prompt.objects.count() == 1
    assert Event.objects.count() == 3


def test_a_label_of_two_texts_is_refused(load: Load) -> None:
    heads = [
        {"raw": raw, "label": "same", "provider": "echo"} for raw in ("Say {{w}}", "Tell {{w}}")
    ]
    row = _row(promptIdx=None, prompt={"raw": "Say a", "label": "same"})
    with pytest.raises(import_report.UnreadableSource, match="several texts"):
        load(_file([row], heads=heads))


def test_a_suite_without_a_description_is_one_task(load: Load) -> None:
    rows = [_row(word, testIdx=n) for n, word in enumerate("ab")]
    for n, ordered in enumerate([rows, rows[::-1]]):
        load(_file(ordered, evalId=f"eval-{n}", config={}))
    assert Event.objects.count() == 2
    assert Ritual.objects.count() == 1


def test_tests_with_a_transform_leave_the_ritual_its_name(load: Load) -> None:
    test = {"vars": {"w": "a"}, "assert": [CONTAINS], "options": {"transform": "output.trim()"}}
    report = load(_file([_row(testCase=test)]))
    assert "cases" not in Ritual.objects.get().definition
    assert any("'transform' changes an output" in note for note in report.notes)


def test_cases_hold_what_promptfoo_filled_in(load: Load) -> None:
    test = {"assert": [{"type": "contains", "value": "{{ w }}"}]}
    variables = {"w": "Dear {{who}}", "who": "Ann", "n": 10.0, "l": ["p", "q"]}
    load(_file([_row(vars=variables, testCase=test, prompt={"raw": "Say Dear Ann"})]))
    (case,) = definitions.get_definition(Ritual.objects.get()).cases
    assert case.variables == {"w": "Dear Ann", "who": "Ann", "n": "10", "l": "p,q"}
    assert case.assertions[0].value == "Dear Ann"
