"""Rule sets and rituals pasted that are huge, or once they are unfolded."""

import json

import pytest
from django.test import Client

from mintmark.registry.models import Codex, Ritual
from tests import oversize_inputs
from tests.factories.runs_fixture import Laboratory
from tests.web import markup
from tests.web.measuring import pages

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/codices/new", "/rituals/new"])
@pytest.mark.parametrize("bomb", oversize_inputs.YAML)
def test_a_bomb_that_is_pasted_is_refused_with_its_line(
    buyer: Client, lab: Laboratory, path: str, bomb: str
) -> None:
    before = (Codex.objects.count(), Ritual.objects.count())
    answer = pages.post(buyer, path, text=oversize_inputs.YAML[bomb])
    assert answer.status_code == 422
    assert "with its aliases written out it has over" in pages.words(markup.read(answer))
    assert (Codex.objects.count(), Ritual.objects.count()) == before


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ([{}] * 100_000, "100,000 clauses"),
        ([oversize_inputs.clause("contains", "x")] * 100_000, "larger than the"),
    ],
    ids=["small", "whole"],
)
def test_a_rule_set_of_a_hundred_thousand_clauses_is_refused(
    buyer: Client, lab: Laboratory, rules: list[object], says: str
) -> None:
    before = Codex.objects.count()
    answer = pages.post(buyer, "/codices/new", text=json.dumps({"name": "huge", "clauses": rules}))
    assert answer.status_code == 422
    assert says in pages.words(markup.read(answer))
    assert Codex.objects.count() == before
