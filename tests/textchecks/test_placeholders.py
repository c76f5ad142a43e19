"""Placeholders: as many braces on both sides, whatever stands around them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintmark.textchecks import placeholders

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,10}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ('{"a": {x}, "b": {"c": {x}}}', '{"a": X, "b": {"c": X}}'),
        ('{"a": {{x}}}', '{"a": X}'),
        ("{x}}", "X}"),
        ("{{x}", "{X"),
        ("{{{x}}}", "{X}"),
        ("${x:none} and ${x}", "X and X"),
        ("{ x }", "X"),
    ],
)
def test_a_placeholder_has_as_many_braces_on_both_sides(text: str, filled: str) -> None:
    assert placeholders.list_names(text) == ["x"]
    assert placeholders.substitute(text=text, values={"x": "X"}) == filled


@given(name=NAMES, before=st.text('{ :"a', max_size=6), after=st.text('} ,"a', max_size=6))
def test_no_brace_is_lost_around_a_placeholder(name: str, before: str, after: str) -> None:
    text = f"{before}{{{name}}}{after}"
    filled = placeholders.substitute(text=text, values={name: "\0"})
    left, _, right = filled.partition("\0")
    gone = (text.count("{") - filled.count("{"), text.count("}") - filled.count("}"))
    assert gone in {(1, 1), (2, 2)}
    assert text.startswith(left)
    assert text.endswith(right)
