"""Labels move by hand, at once, and every move leaves a row."""

import pytest

from mintmark.common import errors
from mintmark.registry import labels, prompts
from mintmark.registry.models import Prompt
from tests.factories.cast import Cast

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.both("what two may do at once is locked row by row there"),
]


def test_a_label_moves_and_its_history_says_who_when_and_why() -> None:
    cast = Cast()
    second = cast.written("acme/triage", "Sort {ticket}.", parent=cast.prompt)

    def move(to: Prompt | None, reason: str) -> object:
        return labels.move(
            namespace="acme", name="triage", label="production", prompt=to,
            actor=cast.as_(cast.seller).principal, reason=reason, now=cast.now,
        )  # fmt: skip

    assert move(cast.prompt, "first release")
    assert prompts.resolve(reference="acme/triage@production").pk == cast.prompt.pk
    assert (
        move(second, "better")
        and prompts.resolve(reference="acme/triage@production").pk == second.pk
    )
    assert move(second, "again") is None  # it stood there already
    assert move(None, "pulled")
    with pytest.raises(errors.NotFound):
        prompts.resolve(reference="acme/triage@production")
    told = [
        (m.before and m.before.revision, m.after and m.after.revision, m.reason)
        for m in labels.list_moves(namespace="acme", name="triage")
    ]
    assert told == [(2, None, "pulled"), (1, 2, "better"), (None, 1, "first release")]


def test_a_label_stays_in_its_line() -> None:
    cast = Cast()
    with pytest.raises(labels.InvalidLabel):
        labels.move(
            namespace="acme", name="other", label="production", prompt=cast.prompt,
            actor=cast.as_(cast.seller).principal, reason="", now=cast.now,
        )  # fmt: skip
