"""A team's mapping: read from YAML or JSON, refused with its places, kept by version."""

import pytest

from mintmark.common import errors
from mintmark.common.documents import InvalidDocument
from mintmark.otlp import mappings
from mintmark.otlp.models import OtlpScoreMapping
from tests.factories.cast import Cast

from .exports import MAPPING, Exporter

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[]", ""),
        ("{}", "evaluations"),
        ("evaluations: {A: {}}", "evaluations.A"),
        ("evaluations: {A: {kind: approval, ritual: r}}", "evaluations.A"),
        ("evaluations: {A: {ritual: r, worst: 1, best: 1}}", "evaluations.A"),
        ("evaluations: {A: {ritual: r, best: .inf}}", "evaluations.A.best"),
        ("evaluations: {A: {ritual: r, labels: {x: 2}}}", "evaluations.A.labels.x"),
        ("evaluations: {A: {ritual: r, kind: rating}}", "evaluations.A.kind"),
        ("evaluations: {A: {ritual: r, range: 5}}", "evaluations.A.range"),
        ('evaluations: {"a\\ab": {kind: approval}}', "evaluations.a\ab.[key]"),
        ("{evaluations: {}, assistant: {attributes: []}}", "assistant.attributes"),
        ("{evaluations: {}, prompt: {version: 3}}", "prompt.version"),
    ],
)
def test_a_mapping_that_does_not_fit_names_the_place(text: str, place: str) -> None:
    with pytest.raises(mappings.InvalidMapping) as refused:
        mappings.parse_mapping(text)
    assert refused.value.rows[0]["field"] == place


def test_no_yaml_is_refused_with_its_line() -> None:
    with pytest.raises(InvalidDocument, match="line 1"):
        mappings.parse_mapping("evaluations: }")


def test_who_and_what_a_mapping_names_must_be_there() -> None:
    cast = Cast()
    told = mappings.parse_mapping(
        "evaluations: {A: {ritual: gone}}\nassistant: {names: {x: smith}}\nprompt: {names: {y: acme/gone}}"
    )
    with pytest.raises(mappings.InvalidMapping) as refused:
        mappings.set_mapping(
            caller=cast.as_(cast.buyer), team=cast.buyers, document=told, now=cast.now
        )
    assert [row["field"] for row in refused.value.rows] == [
        "evaluations.A.ritual", "assistant.names.x", "prompt.names.y",
    ]  # fmt: skip
    assert OtlpScoreMapping.objects.count() == 0


def test_a_changed_mapping_is_the_next_version_and_the_same_is_none(exporter: Exporter) -> None:
    cast = exporter.cast
    first = mappings.get_current_mapping(team=cast.buyers)
    assert first is not None
    assert first.document["evaluations"]["Relevance"]["ritual"] == "triage-cases@1"
    for text, version in ((MAPPING, 1), (MAPPING.replace("best: 5", "best: 10"), 2)):
        made = mappings.set_mapping(
            caller=cast.as_(cast.buyer), team=cast.buyers, document=mappings.parse_mapping(text), now=cast.now
        )  # fmt: skip
        assert made.version == version


def test_only_an_operator_of_the_team_sets_it(exporter: Exporter) -> None:
    cast = exporter.cast
    for user in (cast.seller, cast.stranger, cast.auditor):
        with pytest.raises(errors.Forbidden):
            mappings.set_mapping(
                caller=cast.as_(user), team=cast.buyers, document=mappings.parse_mapping(MAPPING), now=cast.now
            )  # fmt: skip
