"""The gate of the clauses: which bind, on what text, what they say, and that nobody else is told."""

from typing import Any

import pytest

from mintmark.deployments import gates
from mintmark.deployments.injections import GateClosed
from mintmark.registry import codices
from tests.factories.market_fixture import Stall

pytestmark = pytest.mark.django_db

TOKEN = "ghp_" + "a1B2" * 9


def _clause(kind: str, value: Any = None, **changes: Any) -> dict[str, Any]:
    return {
        "id": kind, "text": f"Keeps {kind}.", "severity": "block", "applies_to": "prompt",
        "check": {"kind": kind, "value": value},
    } | changes  # fmt: skip


def _contract(stall: Stall, **variables: str) -> gates.Gate:
    found = gates.list_gates(
        prompt=stall.prompt, assistant=stall.cast.scout, now=stall.now, variables=variables
    )
    return next(gate for gate in found if gate.name == gates.CONTRACT)


def test_the_default_codex_binds_what_has_no_contract(stall: Stall) -> None:
    stall.bought(stall.listed())
    gate = _contract(stall)
    assert gate.is_open
    assert {verdict.codex for verdict in gate.verdicts} == {"default@1"}
    assert gate.message == "3 clauses on its text, none of them in the way; 1 of them warn"
    assert _contract(stall, coin="an obol").message.endswith("none of them in the way")


@pytest.mark.parametrize(
    ("coin", "says"),
    [(TOKEN, "a GitHub token"), ("an o\u202ebol", "RIGHT-TO-LEFT OVERRIDE")],
    ids=["secret", "hidden"],
)
def test_what_is_filled_in_is_checked_as_it_would_be_served(
    stall: Stall, coin: str, says: str
) -> None:
    stall.bought(stall.listed())
    gate = _contract(stall, coin=coin)
    assert not gate.is_open
    assert says in gate.message
    with pytest.raises(GateClosed) as refused:
        stall.market.inject(
            caller=stall.as_(stall.cast.buyer), prompt=stall.prompt, assistant=stall.cast.scout,
            now=stall.now, variables={"coin": coin},
        )  # fmt: skip
    assert coin not in refused.value.message


def test_clauses_of_every_kind_are_decided_and_those_that_can_not_be_are_in_the_way(
    stall: Stall,
) -> None:
    stall.bought(stall.listed())
    codex = codices.register(
        name="house",
        clauses=[
            _clause("regex", r"weigh \{coin\}"),
            _clause("max-tokens", 50),
            _clause("required-variables", ["coin"]),
            _clause("similarity", {"reference": "the secret of the mint", "at_least": 0.4}),
            _clause("language", "en", severity="warn"),
            _clause("judge", "Is it kind?"),
            _clause("not-contains", "twice"),
            _clause("json-schema", {"type": "object"}, applies_to="output"),
        ],
    )
    codices.bind(prompt=stall.prompt, codex=codex)
    gate = _contract(stall)
    told = {verdict.clause: verdict for verdict in gate.verdicts if verdict.codex == "house@1"}
    assert "json-schema" not in told
    assert [clause for clause, verdict in told.items() if verdict.blocks] == [
        "judge",
        "not-contains",
    ]
    assert "a ritual's judge decides it" in gate.message
    said = told["not-contains"]
    assert said.span is not None
    assert stall.prompt.text[slice(*said.span)] == "twice"
    assert "twice" in said.excerpt


def test_who_may_not_use_the_text_is_told_nothing_of_it(stall: Stall) -> None:
    stall.listed()
    codex = codices.register(name="house", clauses=[_clause("not-contains", "twice")])
    codices.bind_assistant(assistant=stall.cast.scout, codex=codex)
    gate = _contract(stall)
    assert (gate.is_open, gate.verdicts) == (False, ())
    assert "twice" not in gate.message


@pytest.mark.parametrize(
    ("low", "floor", "texts"),
    [
        (0.4968, 0.5, ("0.497", "0.50")),
        (0.49999999, 0.5, ("0.49999999", "0.50")),
        (0.7, 0.5, ("0.70", "0.50")),
        (0.3329, 0.333, ("0.33", "0.333")),
        (0.5, 0.5, ("0.50", "0.50")),
    ],
)
def test_a_bound_is_said_with_as_many_digits_as_tell_it_from_the_floor(
    low: float, floor: float, texts: tuple[str, str]
) -> None:
    assert gates._format_bounds(low, floor) == texts
