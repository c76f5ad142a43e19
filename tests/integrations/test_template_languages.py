"""Template languages: what each tool takes as a variable, and what it shows to the model as it stands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintmark.integrations import template_mapping
from mintmark.integrations.template_mapping import Language
from mintmark.textchecks import placeholders


@pytest.mark.parametrize(
    ("language", "template", "text", "variables"),
    [
        ("nunjucks", "Hi {{ who }}{# never shown #}", "Hi {{ who }}", ["who"]),
        ("jinja2", "Hi {{ user.name }}{# never shown #}", "Hi {{ user.name }}", ["user.name"]),
        ("mlflow", "Look at {# TODO #} in {{file}}.", "Look at {# TODO #} in {{file}}.", ["file"]),
        ("mlflow", "{{ user.name }}", "{{ user.name }}", ["user.name"]),
        ("langfuse", "{{! keep this }}Hi {{name}}, {{&x}}", "{{! keep this }}Hi {{name}}, {{&x}}", ["name"]),
        ("handlebars", "{{{who}}}{{! never shown }}", "{{who}}", ["who"]),
        ("mustache", "{{&who}} {{{who}}}", "{{who}} {{who}}", ["who"]),
        ("f-string", 'Say {who} as {{"a": 1}}', 'Say {who} as {"a": 1}', ["who"]),
    ],
)  # fmt: skip
def test_what_has_one_plain_meaning_is_mapped(
    language: Language, template: str, text: str, variables: list[str]
) -> None:
    mapped = template_mapping.map_template(template, language=language)
    assert mapped.unsupported == []
    assert (mapped.text, mapped.variables) == (text, variables)


@pytest.mark.parametrize(
    ("language", "template", "excerpts"),
    [
        ("nunjucks", "{{ w-x }}\n{{w.length}} {{ who or 'x' }}", ["{{ w-x }}", "{{w.length}}", "{{ who or 'x' }}"]),
        ("nunjucks", "{% if a %}b{% endif %} {{ w | upper }}", ["{% if a %}", "{% endif %}", "{{ w | upper }}"]),
        ("nunjucks", "{{ env.HOME }} {{ true }} {{ w", ["{{ env.HOME }}", "{{ true }}", "{{"]),
        ("nunjucks", "{{w}} and {w}", ["{w}"]),
        ("mlflow", "{% if a %}{# TODO #}{{ file | upper }}", ["{% if a %}", "{{ file | upper }}"]),
        ("langfuse", "{{{name}}} {{user-name}} {{名前}}", ["{{{name}}}", "{{user-name}}", "{{名前}}"]),
        ("handlebars", "{{json}} {{log x}} {{section}}", ["{{json}}", "{{log x}}", "{{section}}"]),
        ("f-string", "{x!r} {y:>3} {} {", ["{x!r}", "{y:>3}", "{}", "{"]),
    ],
)  # fmt: skip
def test_what_would_have_to_be_run_is_named(
    language: Language, template: str, excerpts: list[str]
) -> None:
    mapped = template_mapping.map_template(template, language=language)
    assert [part.excerpt for part in mapped.unsupported] == excerpts
    assert all(part.reason for part in mapped.unsupported)


@given(
    language=st.sampled_from([name for name in template_mapping.LANGUAGES if name != "f-string"]),
    template=st.text("{}%#!&ab .\n", max_size=40),
)
def test_a_mapped_text_takes_no_other_variable_than_it_says(
    language: Language, template: str
) -> None:
    mapped = template_mapping.map_template(template, language=language)
    if not mapped.unsupported:
        filled = placeholders.substitute(
            text=mapped.text, values=dict.fromkeys(mapped.variables, "\0")
        )
        assert filled.count("\0") == sum(
            placeholder.name in mapped.variables
            for placeholder in placeholders.find_placeholders(mapped.text)
        )
        assert {*mapped.variables} <= {*placeholders.list_names(mapped.text)}
