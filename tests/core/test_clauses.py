"""Clauses that are decided by reading a prompt's text, and licences."""

from typing import Any

import pytest

from mintmark.core import clauses, licences


def _clause(
    kind: str, value: Any = None, severity: str = "block", on: str = "prompt"
) -> dict[str, Any]:
    return {
        "id": "c", "text": "A rule.", "severity": severity, "applies_to": on, "check": {"kind": kind, "value": value},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("clause", "holds"),
    [
        (_clause("contains", "please"), True),
        (_clause("contains", ["please", "thanks"]), False),
        (_clause("not-contains", "password"), True),
        (_clause("not-contains", ["urgency"]), False),
        (_clause("required-variables", ["ticket"]), True),
        (_clause("required-variables", ["name"]), False),
        (_clause("no-hidden-unicode"), True),
        (_clause("judge"), None),
        (_clause("contains", None), None),
    ],
)
def test_a_clause_says_what_it_finds(clause: dict[str, Any], holds: bool | None) -> None:
    (verdict,) = clauses.of_text(
        clauses=[clause], text="PLEASE sort {ticket} by urgency.", variables=["ticket"]
    )
    assert verdict.holds is holds
    assert verdict.blocks is (holds is not True)
    assert bool(verdict.why) is (holds is not True)


def test_a_warning_never_blocks_and_clauses_on_outputs_are_not_read_here() -> None:
    found = clauses.of_text(
        clauses=[_clause("contains", "x", severity="warn"), _clause("contains", "x", on="output")],
        text="y",
        variables=[],
    )
    assert [verdict.blocks for verdict in found] == [False]


def test_hidden_characters_are_named_with_their_place() -> None:
    (verdict,) = clauses.of_text(
        clauses=[_clause("no-hidden-unicode")], text="a\u200bb", variables=[]
    )
    assert verdict.blocks
    assert "line 1, column 2" in verdict.why


def test_unknown_licences_are_refused_and_what_is_known_is_consistent() -> None:
    with pytest.raises(licences.UnknownLicence) as refused:
        licences.terms("WTFPL-2")
    assert "Apache-2.0" in refused.value.message
    for name, terms in licences.KNOWN.items():
        assert terms.allows_forks or not terms.allows_sale_of_forks, name
        assert ("-ND-" in name or name == licences.PROPRIETARY) is not terms.allows_forks, name
        assert ("-NC-" not in name and terms.allows_forks) is terms.allows_sale_of_forks, name
