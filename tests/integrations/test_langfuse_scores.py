"""What Langfuse's scores become: evidence, left out, or refused by name; each row is one of the three."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mintmark.accounts.callers import Caller
from mintmark.common import score_names
from mintmark.evidence.models import Event
from mintmark.integrations import import_report, langfuse_reader, registry_import

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def _score(id_: str, value: Any, **more: Any) -> dict[str, Any]:
    return {
        "id": id_, "name": "quality", "value": value, "dataType": "NUMERIC", "traceId": "t1", "observationId": "g1",
        "source": "API", "timestamp": "2026-11-01T08:05:00.000Z", "environment": "default",
    } | more  # fmt: skip


def _lists(*scores: Any) -> dict[str, Any]:
    prompts: list[Any] = [
        {"name": name, "version": 1, "type": "text", "prompt": f"{name} {{{{x}}}}", "labels": [], "tags": []}
        for name in ("plan", "answer")
    ]  # fmt: skip
    linked = (
        ("g1", "t1", "plan"),
        ("g2", "t2", "plan"),
        ("g3", "t2", "answer"),
        ("g4", "t1", "plan"),
    )
    generations = [
        {"id": id_, "traceId": trace, "model": "m", "promptName": name, "promptVersion": 1}
        for id_, trace, name in linked
    ]
    traces = [{"id": "t1", "name": "bench"}, {"id": "t2", "name": "bench"}]
    return {
        "prompts": prompts, "traces": traces, "observations": generations, "scores": list(scores), "scoreConfigs": [],
    }  # fmt: skip


def _load(
    lists: dict[str, Any], operator: Caller, *said: str, **options: Any
) -> import_report.ImportReport:
    mapping = score_names.parse_mapping(scores=said, ignored=options.pop("ignored", ()))
    return registry_import.load(
        registry=langfuse_reader.parse_registry(lists, name="langfuse", mapping=mapping),
        tool=registry_import.LANGFUSE,
        caller=operator,
        now=NOW,
        **options,
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("score", "said", "value"),
    [
        (_score("a", 0.9, name="Toxicity", source="EVAL"), (), 0.1),
        (_score("a", 1, name="Hallucination", source="EVAL"), (), 0.0),
        (_score("a", 0.9, name="Helpfulness", source="EVAL"), (), 0.9),
        (_score("a", 1, name="right", dataType="BOOLEAN"), (), 1.0),
        (_score("a", 2, name="stars"), ("stars=1..5",), 0.25),
        (_score("a", 300, name="latency"), ("latency=1000..0",), 0.7),
        (_score("a", 1, name="contains_pii", dataType="BOOLEAN"), ("contains_pii=1..0",), 0.0),
        (_score("a", 3, name="tone", dataType="CATEGORICAL", stringValue="fair"), ("tone=bad:0,fair:0.5",), 0.5),
    ],
)  # fmt: skip
def test_a_known_score_counts_in_its_direction(
    score: Any, said: tuple[str, ...], value: float, operator: Caller
) -> None:
    report = _load(_lists(score), operator, *said)
    assert (report.recorded, report.refused) == (1, [])
    assert Event.objects.get().score == pytest.approx(value)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("score", "field"),
    [
        (_score("a", 0.9, name="toxicity"), "name"),
        (_score("a", 0.9, name="Toxicity"), "name"),
        (_score("a", 1, name="stars"), "name"),
        (_score("a", 0.02, name="cost"), "name"),
        (_score("a", 1, name="contains_pii", dataType="BOOLEAN"), "name"),
        (_score("a", 0.5, name="Answer Relevance", source="EVAL"), "name"),
        (_score("a", 4, name="Helpfulness", source="EVAL"), "value"),
        (_score("a", None, name="Helpfulness", source="EVAL"), "value"),
        (_score("a", 1, name="right", dataType="BOOLEAN", observationId="span-7"), "prompt"),
        (_score("a", 1, name="right", dataType="BOOLEAN", traceId="t2", observationId=None), "prompt"),
    ],
)  # fmt: skip
def test_what_is_unknown_or_about_something_else_is_no_evidence(
    score: Any, field: str, operator: Caller
) -> None:
    report = _load(_lists(score), operator)
    assert report.recorded == 0
    assert [(row["file"], row["field"]) for row in report.refused] == [
        (f"scores.0 ({score['name']})", field)
    ]
    assert dict(report.unmapped) == ({score["name"]: 1} if field == "name" else {})


@pytest.mark.django_db
def test_each_score_belongs_to_the_prompt_of_its_own_generation(operator: Caller) -> None:
    scores = [
        _score("a", 1, observationId="g2", traceId="t2"),
        _score("b", 0, observationId="g3", traceId="t2"),
    ]
    _load(_lists(*scores), operator, "quality=0..1")
    events = Event.objects.select_related("prompt")
    assert {(e.prompt.name, e.score) for e in events} == {("plan", 1.0), ("answer", 0.0)}


@pytest.mark.django_db
def test_environments_are_tasks_of_their_own(operator: Caller) -> None:
    scores = [_score("a", 1, environment="production"), _score("b", 0, environment="dev")]
    _load(_lists(*scores), operator, "quality=0..1")
    assert {e.ritual.name for e in Event.objects.select_related("ritual") if e.ritual} == {
        "langfuse/quality (api, production)",
        "langfuse/quality (api, dev)",
    }


@pytest.mark.django_db
def test_long_ids_that_begin_alike_are_two_scores(operator: Caller) -> None:
    ids = ["x" * 80 + "1", "x" * 80 + "2"]
    lists = _lists(*(_score(id_, 1) for id_ in ids))
    assert _load(lists, operator, "quality=0..1").recorded == 2
    again = _load(lists, operator, "quality=0..1")
    assert (again.recorded, again.repeated) == (0, 2)


_ROWS = st.builds(
    lambda id_, value, **more: _score(id_, value, **more),
    st.sampled_from("abcdefgh"),
    st.sampled_from([0, 1, 0.5, 4, -1, None, True, "good"]),
    name=st.sampled_from(["quality", "right", "Toxicity", "cost", "noise"]),
    dataType=st.sampled_from(["NUMERIC", "BOOLEAN", "CATEGORICAL", "CORRECTION", "TEXT", None, 7]),
    source=st.sampled_from(["API", "EVAL", "ANNOTATION", None]),
    observationId=st.sampled_from(["g1", "g2", "g3", "span", None]),
    traceId=st.sampled_from(["t1", "t2", "t9", None]),
    timestamp=st.sampled_from(["2026-11-01T08:05:00Z", "then", None]),
)


@pytest.mark.django_db(transaction=False)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(st.one_of(_ROWS, st.none(), st.just({})), max_size=8))
def test_every_row_is_evidence_or_left_out_or_refused(rows: list[Any]) -> None:
    mapping = score_names.parse_mapping(scores=["quality=0..1"], ignored=["noise"])
    read = langfuse_reader.parse_registry(_lists(*rows), name="langfuse", mapping=mapping)
    assert len(read.feedback) + sum(read.left_out.values()) + len(read.refused) == len(rows)
    assert all(0 <= assessment.score <= 1 for assessment in read.feedback)
    assert sum(read.unmapped.values()) == sum(row["field"] == "name" for row in read.refused)


@pytest.mark.django_db
def test_a_dry_run_a_run_and_a_second_run_agree(operator: Caller) -> None:
    twice = _score("a", 1)
    lists = _lists(
        twice, twice, _score("b", 0), _score("c", 1, name="noise"), _score("d", 3, name="cost"),
        _score("e", 0, dataType="CORRECTION", stringValue="It is urgent."),
    )  # fmt: skip
    reports = [
        _load(lists, operator, "quality=0..1", ignored=["noise"], dry_run=dry_run)
        for dry_run in (True, False, False)
    ]
    for report in reports:
        left_out = sum(report.left_out.values())
        assert (report.recorded + report.repeated, left_out, len(report.refused)) == (2, 3, 1)
        assert dict(report.unmapped) == {"cost": 1}
    assert [(report.recorded, report.repeated) for report in reports] == [(2, 0), (2, 0), (0, 2)]
