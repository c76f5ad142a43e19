"""`mintmark otel`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mintmark.cli import exit_codes
from tests.cli.conftest import Call
from tests.factories.cast import Cast
from tests.otlp.exports import MAPPING, Exporter

pytestmark = pytest.mark.django_db

type Answer = Callable[..., Any]


def test_a_mapping_is_set_shown_and_set_again_from_what_was_shown(
    call: Call, answer: Answer, tmp_path: Path
) -> None:
    Cast()
    file = tmp_path / "mapping.yaml"
    file.write_text(MAPPING)
    assert answer("otel", "set", "buyers", str(file))["version"] == 1
    file.write_text(call("otel", "show", "buyers").stdout)
    assert answer("otel", "set", "buyers", str(file))["version"] == 1
    assert "Relevance" in answer("otel", "show", "buyers")["document"]["evaluations"]


def test_a_wrong_mapping_names_its_places(call: Call, tmp_path: Path) -> None:
    Cast()
    file = tmp_path / "mapping.yaml"
    file.write_text("evaluations: {A: {ritual: gone}}")
    refused = call("otel", "set", "buyers", str(file))
    assert refused.exit_code == exit_codes.BAD_INPUT
    assert "evaluations.A.ritual" in refused.stderr
    assert call("otel", "set", "buyers", str(tmp_path / "none")).exit_code == exit_codes.BAD_INPUT


def test_arrivals_are_counted_and_forgotten(call: Call, answer: Answer) -> None:
    exporter = Exporter(Cast())
    exporter.send(exporter.record(), exporter.record(gen_ai__evaluation__name="Coherence"))
    assert "Coherence" in call("otel", "counts", "buyers").stdout
    rows = answer("otel", "counts", "buyers")
    assert {row["fate"] for row in rows} == {"recorded", "evaluation", "seen"}
    assert answer("otel", "counts", "buyers", "--forget")["forgotten"] > 2
    assert answer("otel", "counts", "buyers") == []
