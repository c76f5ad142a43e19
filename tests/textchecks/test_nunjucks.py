"""Templates and values as promptfoo 0.123.1 has them, by its documentation and source."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintmark.textchecks import nunjucks


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (10.0, "10"),
        (0.00001, "0.00001"),
        (1e-7, "1e-7"),
        (1e21, "1e+21"),
        (123456789012345680000, "123456789012345680000"),
        (2**60, "1152921504606847000"),
        (1.5e300, "1.5e+300"),
        (-0.0, "0"),
        (-2.5, "-2.5"),
        (10**400, "Infinity"),
    ],
)
def test_a_number_is_written_as_javascript_writes_it(number: float, text: str) -> None:
    assert nunjucks.format_number(number) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_written_number_reads_back_as_itself(number: float) -> None:
    assert float(nunjucks.format_number(number)) == number


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ who }}{# never shown #}!", "Ann!"),
        ("{{who | upper}} {{ who|lower|trim }}", "ANN ann"),
        ("{{list}} {{yes}} {{none}}.", "p,,true true ."),
        ("{{user.name}}", "Bo"),
        ("{who} $ % #}", "{who} $ % #}"),
    ],
)
def test_a_template_is_filled_in(template: str, text: str) -> None:
    values = {"who": "Ann", "list": ["p", None, True], "yes": True, "none": None}
    variables = values | {"user": {"name": "Bo"}}
    assert nunjucks.render(template, variables=variables) == text
    assert nunjucks.measure(template, variables=variables) == len(text)


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("a\n{% if who %}b{% endif %}", "line 2: {% if who %}: blocks"),
        ("{{ who or 'x' }}", "expressions"),
        ("{{ a-b }}", "expressions"),
        ("{{ who.length }}", "there is no variable 'who.length'"),
        ("{{ missing }}", "there is no variable 'missing'"),
        ("{{ who | replace('a', 'b') }}", "the filter"),
        ("{{ number | upper }}", "a filter of a value that is no text"),
        ("{{ user }}", r"\[object Object\]"),
        ("{{ who", "it has no end"),
        ("{{ true }}", "expressions"),
    ],
)
def test_what_would_have_to_be_run_is_refused_with_its_line(template: str, says: str) -> None:
    with pytest.raises(nunjucks.UnsupportedTemplate, match=says):
        nunjucks.render(template, variables={"who": "Ann", "number": 1, "user": {"a": 1}})


def test_variables_name_each_other() -> None:
    variables = {"ask": "Dear {{who}}, {{n}}\n", "who": "{{ name }}", "name": "Ann", "n": 10.0}
    resolved = nunjucks.resolve_variables(variables)
    assert resolved == {"ask": "Dear Ann, 10", "who": "Ann", "name": "Ann", "n": 10.0}


@pytest.mark.parametrize(
    "variables",
    [
        {"a": "{{a}}"},
        {"a": "{{b}}", "b": "{{a}}"},
        {"a": "{{missing}}"},
        {"a": "{{b | upper}}", "b": "x"},
        {"a": "{{b}}", "b": "costs $& more"},
        {"a": "{{b}}", "b": {"c": 1}},
        {"a": "{{b}}" * 6, "b": "x"},
        {f"v{n}": f"{{{{v{n + 1}}}}}{{{{v{n + 1}}}}}" for n in range(40)} | {"v40": "x" * 1_000},
    ],
)
def test_variables_that_stand_for_themselves_or_run_something_are_refused(
    variables: dict[str, Any],
) -> None:
    with pytest.raises(nunjucks.UnsupportedTemplate):
        nunjucks.resolve_variables(variables)
