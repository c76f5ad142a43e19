"""Templates of other tools as texts of this one, whose placeholders are `{x}` and `{{x}}`.

A plain variable (`{{name}}`, `{{ user.name }}`) means the same there and here and keeps its bytes. A comment goes where
no model was ever shown it. What does more than put a value in (blocks, filters, partials, helpers) has no meaning here,
and is refused by its name and line: a text that a model would be shown with `{{#if}}` in it is not the prompt that was
written. `LANGUAGES` says what is what in each tool's language.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from mintmark.textchecks import chat_format, placeholders

type Language = Literal[
    "handlebars", "jinja2", "langfuse", "mlflow", "mustache", "nunjucks", "f-string"
]

MAX_UNSUPPORTED_PARTS = 100
_BRACES = re.compile(r"\\?(?:\{\{~?!--.*?--~?\}\}|\{\{\{.*?\}\}\}|\{\{.*?\}\}|\{\{)", re.DOTALL)
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|\{\{|\{%|\{#", re.DOTALL)
_DOUBLE = re.compile(r"\{\{\{.*?\}\}\}|\{\{.*?\}\}", re.DOTALL)
_F_STRING = re.compile(r"\{\{|\}\}|\{[^{}]*\}|[{}]")
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_WORD = re.compile(r"[A-Za-z_]\w*")
_ROLE = re.compile(r"""role\s+(["'])(\w+)\1""")
_ROLES = {"system": "system", "user": "user", "model": "assistant", "assistant": "assistant"}
_LINE_END = re.compile(r"\A[ \t]*\r?\n")
_MAX_NAME_LENGTH = 64
_MAX_EXCERPT_LENGTH = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateLanguage:
    """What a language takes as a tag, as a variable's name, and as the beginning of a comment that is not shown.

    `reserved` names are helpers and words of the language, and no variables. A tag that begins with one of `letters` is
    sent to the model as it stands.
    """

    tags: re.Pattern[str]
    name: re.Pattern[str] = _DOTTED
    comments: tuple[str, ...] = ()
    letters: tuple[str, ...] = ()
    reserved: frozenset[str] = frozenset()
    triple_braces: bool = False


_WORDS = (
    "true",
    "false",
    "none",
    "null",
    "and",
    "or",
    "not",
    "in",
    "is",
    "if",
    "else",
    "loop",
    "self",
)
LANGUAGES: Mapping[Language, TemplateLanguage] = {
    # dotprompt 1.1.2: a helper that is named without arguments is called.
    "handlebars": TemplateLanguage(
        tags=_BRACES,
        comments=("{{!", "{{~!"),
        reserved=frozenset(
            (
                "each",
                "else",
                "false",
                "history",
                "if",
                "ifEquals",
                "json",
                "log",
                "lookup",
                "media",
                "null",
                "role",
                "section",
                "this",
                "true",
                "undefined",
                "unless",
                "unlessEquals",
                "with",
            )
        ),
        triple_braces=True,
    ),
    # Prompty 2.1.0, by chevron.
    "mustache": TemplateLanguage(tags=_BRACES, comments=("{{!",), triple_braces=True),
    # Prompty 1 and 2, MLflow's templates with blocks.
    "jinja2": TemplateLanguage(
        tags=_JINJA, comments=("{#",), reserved=frozenset((*_WORDS, "True", "False", "None"))
    ),
    # promptfoo 0.123.1: the member of a text is a property of JavaScript ({{x.length}}), so a name has no dots.
    "nunjucks": TemplateLanguage(
        tags=_JINJA, name=_WORD, comments=("{#",), reserved=frozenset((*_WORDS, "env"))
    ),
    # Python SDK 5.0.4: no Mustache; what is no name stays as it is.
    "langfuse": TemplateLanguage(tags=_DOUBLE, name=_WORD, letters=("{{!", "{{&")),
    # 3.17.2: Jinja2 where there is a block, else double braces alone.
    "mlflow": TemplateLanguage(tags=_DOUBLE),
    # LangChain's default, str.format: doubled braces are single ones.
    "f-string": TemplateLanguage(tags=_F_STRING, name=_WORD),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsupportedPart:
    """A part of a template that has no meaning here: its line (from 1), its words, and why."""

    line: int
    excerpt: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedText:
    """A template as a text of this place, the variables it takes, and whether its messages have roles."""

    text: str
    variables: list[str]
    is_chat: bool
    unsupported: list[UnsupportedPart]


def map_template(template: str, *, language: Language, roles: bool = False) -> MappedText:
    """A template as a text. `roles` reads dotprompt's `{{role "system"}}` as the beginning of a message.

    `unsupported` names what could not be mapped; the text is worth nothing then.
    """
    if language == "mlflow" and "{%" in template:
        language = "jinja2"
    rules = LANGUAGES[language]
    text, end, is_chat, after_role = "", 0, False, False
    variables: dict[str, None] = {}
    unsupported: list[UnsupportedPart] = []
    for match in rules.tags.finditer(template):
        tag = match[0]
        before = template[end : match.start()]
        text += _LINE_END.sub("", before, count=1) if after_role else before
        end, after_role = match.end(), False
        role = _ROLE.fullmatch(tag[2:-2].strip()) if roles else None
        name = _parse_variable(tag, language=language)
        if role is not None and role[2] in _ROLES:
            if not is_chat and text.strip():
                text = f"user:\n{text}"
            is_chat = after_role = True
            text += "" if not text or text.endswith("\n") else "\n"
            text += f"{_ROLES[role[2]]}:\n"
        elif name is not None:
            variables[name] = None
            text += tag if _is_native_placeholder(tag, name) else f"{{{{{name}}}}}"
        elif language == "f-string" and tag in ("{{", "}}"):
            text += tag[0]
        elif tag.startswith(rules.letters) and rules.letters:
            text += tag
        elif not (tag.startswith(rules.comments) and tag.endswith("}") and rules.comments):
            line = template.count("\n", 0, match.start()) + 1
            reason = _get_reason(tag, language=language)
            unsupported.append(UnsupportedPart(line=line, excerpt=_shorten(tag), reason=reason))
    text += _LINE_END.sub("", template[end:], count=1) if after_role else template[end:]
    clashes = [*_find_lone_braces(template, rules=rules, variables=variables)]
    if is_chat and (at := chat_format.find_heading(template)) is not None:
        reason = "a line like this begins another message once the roles are written as lines"
        clashes.append(
            UnsupportedPart(line=at, excerpt=_shorten(template.split("\n")[at - 1]), reason=reason)
        )
    return MappedText(
        text=text,
        variables=list(variables),
        is_chat=is_chat,
        unsupported=sorted([*unsupported, *clashes], key=lambda part: part.line)[
            :MAX_UNSUPPORTED_PARTS
        ],
    )


def _parse_variable(tag: str, *, language: Language) -> str | None:
    rules = LANGUAGES[language]
    if language == "f-string":
        inner = tag[1:-1] if tag.startswith("{") and tag.endswith("}") else ""
    elif tag.startswith("{{{"):
        inner = tag[3:-3] if tag.endswith("}}}") and rules.triple_braces else ""
    elif tag.startswith("{{"):
        inner = tag[2:-2]
    else:
        return None
    if language == "mustache":
        inner = inner.removeprefix("&")
    inner = inner.strip()
    is_name = rules.name.fullmatch(inner) and len(inner) <= _MAX_NAME_LENGTH
    return inner if is_name and inner.partition(".")[0] not in rules.reserved else None


def _is_native_placeholder(tag: str, name: str) -> bool:
    """Whether these bytes are a placeholder of this name here too."""
    return [
        (placeholder.name, placeholder.start, placeholder.end)
        for placeholder in placeholders.find_placeholders(tag)
    ] == [(name, 0, len(tag))]


def _get_reason(tag: str, *, language: Language) -> str:
    inner = tag.lstrip("\\{%#~- \t\n")
    if tag in ("{{", "{%", "{#"):
        return "it has no end"
    if language == "f-string":
        return "a field is a variable's name here, without a conversion or a format"
    if tag.startswith("\\"):
        return "an escaped brace can't be distinguished from a placeholder here"
    if tag.startswith("{%") or tag[2:].lstrip("~ ").startswith(("#", "/", "^", "else")):
        return "blocks are not run here: write the text out, or a prompt for each case"
    if tag[2:].lstrip("~ ").startswith(">"):
        return "partials are not read here: write its text out"
    if tag.startswith("{{{") and not LANGUAGES[language].triple_braces:
        return (
            "the tool shows these braces to the model, and here the name in them would be filled in"
        )
    if inner.removesuffix("}}").strip() in LANGUAGES[language].reserved:
        return "it is a helper or a word of the language, and no variable"
    if language == "langfuse":
        return "as a variable's name it has no place here: letters, digits and _, at most 64"
    if language == "nunjucks" and _DOTTED.fullmatch(inner.removesuffix("}}").strip()):
        return "a member of a value is not read here: make it a variable of its own"
    if language == "nunjucks" and tag.startswith("{{") and "|" not in inner:
        return "it is an expression, and no variable's name"
    if "|" in inner:
        return "filters are not run here: fill the variable in ready-made"
    if tag[2:3] in "~-" or tag[-3:-2] in "~-":
        return "control of blanks is not done here: write the text as it is to be"
    return "it is more than a variable's name of at most 64 letters, digits, _ and ."


def _shorten(tag: str) -> str:
    text = " ".join(tag.split())
    return text if len(text) <= _MAX_EXCERPT_LENGTH else text[: _MAX_EXCERPT_LENGTH - 1] + "…"


def _find_lone_braces(
    template: str, *, rules: TemplateLanguage, variables: dict[str, None]
) -> Iterator[UnsupportedPart]:
    """Where a text says `{x}` and means these letters, although x is a variable that it takes."""
    tags = [match.span() for match in rules.tags.finditer(template)]
    for placeholder in placeholders.find_placeholders(template):
        is_lone = not any(start <= placeholder.start < end for start, end in tags)
        if is_lone and placeholder.name in variables:
            yield UnsupportedPart(
                line=template.count("\n", 0, placeholder.start) + 1,
                excerpt=_shorten(template[placeholder.start : placeholder.end]),
                reason=f"here it would be the variable {placeholder.name!r}, there it is these letters",
            )
