"""Clauses of codices: what each kind of check says of a text, and what it can't say; and licences."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintmark.common import licences
from mintmark.textchecks import checks, clauses
from mintmark.textchecks.clauses import ClauseResult

# Put together, so that no scanner takes this file for a leak.
TOKEN = "ghp_" + "a1B2" * 9
PROMPT = "PLEASE sort {ticket} by urgency.\nAnswer:"


def _clause(
    kind: str, value: Any = None, severity: str = "block", on: str = "prompt"
) -> dict[str, Any]:
    return {
        "id": "c", "text": "A rule.", "severity": severity, "applies_to": on, "check": {"kind": kind, "value": value},
    }  # fmt: skip


def _says(kind: str, value: Any = None, *, of: str, variables: Any = ("ticket",)) -> ClauseResult:
    """What one clause says of a prompt's text."""
    (verdict,) = clauses.evaluate_prompt_text(
        clauses=[_clause(kind, value)], text=of, variables=variables
    )
    return verdict


def _says_of_output(
    kind: str, value: Any = None, *, of: str, variables: Any = None
) -> ClauseResult:
    clause = _clause(kind, value, on="output")
    (verdict,) = clauses.evaluate_output(clauses=[clause], text=of, variables=variables)
    return verdict


@pytest.mark.parametrize(
    ("kind", "value", "holds"),
    [
        ("contains", "please", True),
        ("contains", ["please", "thanks"], False),
        ("contains", None, None),
        ("contains", [], None),
        ("not-contains", "password", True),
        ("not-contains", ["urgency"], False),
        ("regex", r"(?i)please\s+sort", True),
        ("regex", r"^sort", False),
        ("regex", r"Answer:\z", True),
        ("regex", "(", None),
        ("not-regex", r"\d", True),
        ("not-regex", r"\{\w+\}", False),
        ("max-tokens", 10, True),
        ("max-tokens", 9, False),
        ("required-variables", ["ticket"], True),
        ("required-variables", ["name"], False),
        ("no-hidden-unicode", None, True),
        ("no-secrets", None, True),
        ("no-unfilled-variables", None, False),
        ("language", "en", None),
        ("language", "klingon", None),
        ("similarity", {"reference": "please sort the ticket by urgency", "at_least": 0.6}, True),
        ("similarity", {"reference": "please sort the ticket by urgency", "at_most": 0.6}, False),
        ("similarity", {"reference": "write a poem", "at_least": 0.5}, False),
        ("json-schema", {"type": "object"}, None),
        ("judge", None, None),
        ("human-verdict", None, None),
        ("unheard-of", None, None),
        (["a list"], None, None),
    ],
)
def test_a_clause_says_what_it_finds(kind: Any, value: Any, holds: bool | None) -> None:
    verdict = _says(kind, value, of=PROMPT)
    assert verdict.holds is holds
    assert verdict.blocks is (holds is not True)
    assert bool(verdict.reason) is (holds is not True)


def test_every_kind_of_check_is_tried_above() -> None:
    (mark,) = test_a_clause_says_what_it_finds.pytestmark  # type: ignore[attr-defined]
    tried = {case[0] for case in mark.args[1] if isinstance(case[0], str)}
    assert tried - {"unheard-of"} == set(checks.KINDS)


def test_a_warning_never_blocks_and_clauses_on_outputs_are_not_read_of_a_prompt() -> None:
    both = [_clause("contains", "x", severity="warn"), _clause("contains", "z", on="output")]
    assert [
        v.blocks for v in clauses.evaluate_prompt_text(clauses=both, text="y", variables=[])
    ] == [False]
    assert [v.blocks for v in clauses.evaluate_output(clauses=both, text="y")] == [True]


def test_hidden_characters_are_named_with_their_place_and_shown() -> None:
    verdict = _says("no-hidden-unicode", of="one\ntwo a\u200bb\u202e")
    assert verdict.blocks
    assert "ZERO WIDTH SPACE at line 2, column 6, and 1 more" in verdict.reason
    assert (verdict.span, verdict.excerpt) == ((9, 10), "one⏎two a⟨U+200B⟩b⟨U+202E⟩")


@pytest.mark.parametrize(
    ("kind", "value", "text", "found"),
    [
        ("not-contains", ["zeta", "BETA"], "alpha beta zeta", "beta"),
        ("not-contains", "fluss", "Straße, Fluß", "Fluß"),
        ("not-regex", "é+", "über éé!", "éé"),
        ("max-tokens", 2, "one two three, four", "three, four"),
        ("no-secrets", None, f"key: {TOKEN}!", TOKEN),
        ("no-unfilled-variables", None, "Dear ${name:you}, {{ask}}", "${name:you}"),
    ],
)
def test_the_place_of_what_fails_is_told(kind: str, value: Any, text: str, found: str) -> None:
    verdict = _says(kind, value, of=text)
    assert verdict.span is not None
    assert text[slice(*verdict.span)] == found


def test_a_secret_is_not_repeated_in_what_is_said_of_it() -> None:
    text = f"Use {TOKEN} or -----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY----- here."
    verdict = _says("no-secrets", of=text)
    assert "a GitHub token at line 1, column 5, and 1 more" in verdict.reason
    assert verdict.excerpt == "Use [a GitHub token] or [a private key]…"
    near = _says("not-contains", "here", of=text)
    assert "MIIEvQ" not in near.excerpt + near.reason
    assert TOKEN[:8] not in near.excerpt


def test_a_secret_is_found_behind_any_number_of_other_marks() -> None:
    assert _says("no-secrets", of="<|im_start|> " * 200 + TOKEN).holds is False


@given(st.text(max_size=300), st.data())
def test_an_excerpt_is_one_short_line_without_hidden_characters(text: str, data: Any) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    shown = clauses.excerpts.extract_around(text, (start, end))
    assert len(shown) <= 80
    assert "\n" not in shown
    assert not clauses.checks.hidden_characters.find_hidden(f"x{shown}")


def test_variables_that_nothing_was_filled_in_for_are_told() -> None:
    assert _says("no-unfilled-variables", of="Dear Ann, it is due.").holds is True
    assert "'name'" in _says("no-unfilled-variables", of="Dear {name}, {name}!").reason


def test_an_output_must_not_repeat_a_variable_of_its_prompt_and_may_hold_others() -> None:
    code = "const text = `${greeting}`;"
    assert _says_of_output("no-unfilled-variables", of=code, variables=["ticket"]).holds is True
    assert _says_of_output("no-unfilled-variables", of="{ticket}", variables=["ticket"]).blocks
    assert _says_of_output("no-unfilled-variables", of=code).holds is None


def test_words_and_marks_are_counted_plainly() -> None:
    assert checks.count_tokens("It's 3.5 km_h — done!") == 10
    assert checks.count_tokens("今天 OK") == 3
    assert checks.count_tokens(" \n\t") == 0


def test_a_language_is_told_only_where_there_is_enough_to_read() -> None:
    german = "Bitte ordne die Meldung nach ihrer Dringlichkeit und begründe es kurz."
    assert _says("language", "de", of=german).holds is True
    assert _says("language", ["en", "de"], of=german).holds is True
    assert _says("language", "en", of=german).holds is False
    assert _says("language", "en", of="OK").holds is None
    assert (
        _says("language", "en", of="def f(x): return x + 1\nfor i in range(9): f(i)").holds is None
    )


def test_an_output_is_held_against_a_schema() -> None:
    schema = {"type": "object", "required": ["urgency"]}
    assert _says_of_output("json-schema", schema, of='{"urgency": 3}').holds is True
    told = _says_of_output("json-schema", schema, of='{"urgent": 3}')
    assert (told.reason, told.excerpt) == ('at its top it lacks ["urgency"]', '{"urgent": 3}')
    assert "not JSON" in _says_of_output("json-schema", schema, of="Urgent!").reason
    assert _says_of_output("required-variables", "x", of="x").holds is None


def test_of_a_text_that_is_too_long_only_what_its_beginning_shows_is_said() -> None:
    huge = "The quick brown fox. " + "word " * 2_000_000 + TOKEN
    assert len(huge) > 10_000_000
    for kind, value, holds in [
        ("contains", "fox", True),
        ("contains", "cat", None),
        ("not-contains", "fox", False),
        ("not-contains", "cat", None),
        ("regex", "(a+)+$", None),
        ("max-tokens", 10, False),
        ("max-tokens", 1_000_000, None),
        ("no-secrets", None, None),
        ("json-schema", {"type": "string"}, None),
        ("similarity", {"reference": "fox", "at_least": 0}, None),
    ]:
        verdict = _says_of_output(kind, value, of=huge)
        assert verdict.holds is holds, kind
        assert verdict.holds is not None or "goes on after" in verdict.reason, kind


def test_a_pattern_that_hangs_others_is_decided() -> None:
    assert _says("regex", "(a+)+$", of="a" * 100_000 + "!").holds is False
    assert _says("not-regex", "(a|a)*b", of="a" * 100_000).holds is True


def test_what_takes_too_much_work_is_undecided_and_so_in_the_way() -> None:
    slow = _says("regex", "[ab]*a[ab]{900}c", of="ab" * 200_000)
    assert (slow.holds, slow.blocks) == (None, True)
    assert "too long" in slow.reason
    clause = _clause("regex", "[ab]*a[ab]{300}c")
    text = "b" * 100_000 + "ab"
    many = clauses.evaluate_prompt_text(clauses=[clause] * 60, text=text, variables=[])
    assert (many[0].holds, many[-1].holds) == (False, None)
    assert "earlier clauses" in many[-1].reason


def test_what_is_wrong_with_clauses_is_told_by_row_and_field() -> None:
    rows = clauses.find_problems(
        clauses=[
            _clause("contains", "x") | {"id": "ok"},
            {},
            _clause("contains", "x") | {"id": "ok"},
            _clause("unheard-of"),
            _clause("regex", r"(?=a)"),
            _clause("json-schema", {"$ref": "https://example.org/s.json"}, on="output"),
            _clause("json-schema", {"type": "object"}),
            _clause("max-tokens", True),
            _clause("no-secrets", "all"),
            _clause("language", "klingon"),
            _clause("similarity", {"reference": "x"}),
            _clause("similarity", {"reference": "?!", "at_least": 0.5}),
            _clause("contains", "x") | {"severty": "block"},
            _clause("contains", "x") | {"check": {"kind": "contains", "values": ["x"]}},
            _clause("contains", ["x", 3]),
            "no clause",  # type: ignore[list-item]
        ]
    )
    assert {(row["row"], row["field"]) for row in rows} == {
        (1, "id"), (1, "text"), (1, "severity"), (1, "applies_to"), (1, "check"), (2, "id"), (3, "check.kind"),
        (4, "check.value"), (5, "check.value"), (6, "applies_to"), (7, "check.value"), (8, "check.value"),
        (9, "check.value"), (10, "check.value"), (11, "check.value"), (12, "severty"), (13, "check.values"),
        (14, "check.value"), (15, ""),
    }  # fmt: skip
    said = {row["row"]: row["message"] for row in rows}
    assert "perl operator" in said[4]
    assert "points to 'https://example.org/s.json'" in said[5]


def test_patterns_that_are_too_large_together_are_refused() -> None:
    large = [
        _clause("regex", f"x{n}[^a]{{900}}") | {"id": f"c{n}"} for n in range(clauses.MAX_CLAUSES)
    ]
    (row,) = clauses.find_problems(clauses=large)
    assert "too large together" in row["message"]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.sampled_from([*checks.KINDS, "x"]), _JSON, st.text(max_size=60), st.booleans())
def test_whatever_a_value_is_a_check_answers(kind: str, value: Any, text: str, on: bool) -> None:
    clause = _clause(kind, value, on="prompt" if on else "output")
    if on:
        (verdict,) = clauses.evaluate_prompt_text(clauses=[clause], text=text, variables=[])
    else:
        (verdict,) = clauses.evaluate_output(clauses=[clause], text=text)
    assert verdict.holds in (True, False, None)
    if not clauses.find_problems(clauses=[json.loads(json.dumps(clause))]):
        assert "can't be used" not in verdict.reason
    else:
        assert verdict.holds is None


def test_unknown_licences_are_refused_and_what_is_known_is_consistent() -> None:
    with pytest.raises(licences.UnknownLicence) as refused:
        licences.get_permissions("WTFPL-2")
    assert "Apache-2.0" in refused.value.message
    for name, terms in licences.PERMISSIONS.items():
        assert terms.allows_forks or not terms.allows_sale_of_forks, name
        assert ("-ND-" in name or name == licences.PROPRIETARY) is not terms.allows_forks, name
        assert ("-NC-" not in name and terms.allows_forks) is terms.allows_sale_of_forks, name
