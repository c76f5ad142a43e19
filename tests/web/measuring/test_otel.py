"""The page of what OpenTelemetry exporters send."""

import pytest
from django.test import Client

from mintmark.otlp import mappings
from tests.factories.runs_fixture import Laboratory
from tests.otlp.exports import MAPPING, Exporter
from tests.web import markup
from tests.web.measuring import pages

pytestmark = pytest.mark.django_db


def test_what_arrives_unmapped_is_shown_by_its_names(buyer: Client, lab: Laboratory) -> None:
    exporter = Exporter(lab.cast)
    exporter.send(
        exporter.record(),
        exporter.record(gen_ai__evaluation__name="Coherence <b>"),
        exporter.record(gen_ai__evaluation__name="Coherence <b>"),
    )
    page = pages.page(buyer, "/otel")
    said = pages.words(page)
    assert "recorded as evidence 1" in said
    assert "rejected, and reported to the exporter 2" in said
    assert "gen_ai.evaluation.name Coherence &lt;b&gt; the mapping takes no" in said
    assert "an outcome of triage-cases@1 1.0 → 0, 5.0 → 1" in said
    assert "service.name" in said
    assert "urgent" not in page


def test_a_mapping_is_put_in_force_and_a_wrong_one_keeps_what_was_typed(
    buyer: Client, lab: Laboratory
) -> None:
    answer = pages.post(buyer, "/otel", do="save", text="evaluations:\n  A: {ritual: gone}\n")
    assert answer.status_code == 422
    said = pages.words(markup.read(answer))
    assert "2 evaluations.A.ritual" in said and "{ritual: gone}" in said
    assert pages.post(buyer, "/otel", do="save", text=MAPPING).status_code == 302
    found = mappings.get_current_mapping(team=lab.cast.buyers)
    assert found is not None and found.version == 1
    assert "Relevance" in pages.page(buyer, "/otel?team=buyers")


def test_counting_begins_anew(buyer: Client, lab: Laboratory) -> None:
    exporter = Exporter(lab.cast)
    exporter.send(exporter.record(gen_ai__evaluation__name="Coherence"))
    assert pages.post(buyer, "/otel", do="forget").status_code == 302
    assert "Nothing yet" in pages.page(buyer, "/otel")


def test_it_is_for_those_of_the_team(seller: Client, stranger: Client, lab: Laboratory) -> None:
    pages.page(seller, "/otel?team=buyers", status=403)
    assert "not in a team yet" in pages.page(stranger, "/otel")
    assert pages.post(stranger, "/otel", do="save", text=MAPPING).status_code == 200
    auditor = lab.scene.client(lab.cast.auditor)
    assert "Only operators of the team" in pages.page(auditor, "/otel?team=buyers")
    assert pages.post(auditor, "/otel?team=buyers", do="save", text=MAPPING).status_code == 403
    assert mappings.get_current_mapping(team=lab.cast.buyers) is None
