"""Templates of other tools as texts of this one, whose placeholders are `{x}` and `{{x}}`.

A plain variable (`{{name}}`, `{{ user.name }}`) means the same there and here and keeps its bytes. A comment goes,
since no model was ever shown it. What does more than put a value in (blocks, filters, partials, helpers) has no
meaning here, and is refused by its name and line: a text that a model would be shown with `{{#if}}` in it is not the
prompt that was written.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from mintmark.textchecks import placeholders

from .chat_format import find_heading

type Language = Literal["handlebars", "jinja2", "mustache"]

MAX_UNSUPPORTED_PARTS = 100
_PLAIN = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_BRACES = re.compile(r"\\?(?:\{\{~?!--.*?--~?\}\}|\{\{\{.*?\}\}\}|\{\{.*?\}\}|\{\{)", re.DOTALL)
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|\{\{|\{%|\{#", re.DOTALL)
_ROLE = re.compile(r"""role\s+(["'])(\w+)\1""")
_ROLES = {"system": "system", "user": "user", "model": "assistant", "assistant": "assistant"}
_RESERVED_WORDS = {
    "handlebars": {"else", "this", "history", "true", "false", "null", "undefined"},
    "mustache": set(),
    "jinja2": {"true", "false", "none", "True", "False", "None", "loop", "self"},
}
_LINE_END = re.compile(r"\A[ \t]*\r?\n")
_MAX_NAME_LENGTH = 64
_MAX_EXCERPT_LENGTH = 60


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

    `unmapped` names what could not be; the text is worth nothing then.
    """
    pattern = _JINJA if language == "jinja2" else _BRACES
    text, end, is_chat, after_role = "", 0, False, False
    variables: dict[str, None] = {}
    unsupported: list[UnsupportedPart] = []
    for match in pattern.finditer(template):
        tag = match[0]
        before = template[end : match.start()]
        text += _LINE_END.sub("", before, count=1) if after_role else before
        end, after_role = match.end(), False
        role = _ROLE.fullmatch(tag[2:-2].strip()) if roles else None
        name = _parse_variable(tag, language=language)
        if role is not None and role[2] in _ROLES:
            is_chat = after_role = True
            text += "" if not text or text.endswith("\n") else "\n"
            text += f"{_ROLES[role[2]]}:\n"
        elif name is not None:
            variables[name] = None
            text += tag if _is_native_placeholder(tag, name) else f"{{{{{name}}}}}"
        elif not _is_comment(tag):
            line = template.count("\n", 0, match.start()) + 1
            unsupported.append(
                UnsupportedPart(line=line, excerpt=_shorten(tag), reason=_get_reason(tag))
            )
    text += _LINE_END.sub("", template[end:], count=1) if after_role else template[end:]
    clashes = [*_find_lone_braces(template, language=language, variables=variables)]
    if is_chat and (at := find_heading(template)) is not None:
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
    if tag.startswith("{{{"):
        inner = tag[3:-3] if tag.endswith("}}}") and language != "jinja2" else ""
    elif tag.startswith("{{"):
        inner = tag[2:-2]
    else:
        return None
    if language == "mustache":
        inner = inner.removeprefix("&")
    inner = inner.strip()
    is_name = _PLAIN.fullmatch(inner) and len(inner) <= _MAX_NAME_LENGTH
    return inner if is_name and inner not in _RESERVED_WORDS[language] else None


def _is_native_placeholder(tag: str, name: str) -> bool:
    """Whether these bytes are a placeholder of this name here too."""
    return [
        (placeholder.name, placeholder.start, placeholder.end)
        for placeholder in placeholders.find_placeholders(tag)
    ] == [(name, 0, len(tag))]


def _is_comment(tag: str) -> bool:
    return tag.endswith(("}}", "#}")) and tag.startswith(("{{!", "{{~!", "{#"))


def _get_reason(tag: str) -> str:
    inner = tag.lstrip("\\{%#~- \t\n")
    if tag in ("{{", "{%", "{#"):
        return "it has no end"
    if tag.startswith("\\"):
        return "an escaped brace can't be distinguished from a placeholder here"
    if tag.startswith("{%") or tag[2:].lstrip("~ ").startswith(("#", "/", "^", "else")):
        return "blocks are not run here: write the text out, or a prompt for each case"
    if tag[2:].lstrip("~ ").startswith(">"):
        return "partials are not read here: write its text out"
    if "|" in inner:
        return "filters are not run here: fill the variable in ready-made"
    if tag[2:3] in "~-" or tag[-3:-2] in "~-":
        return "control of blanks is not done here: write the text as it is to be"
    return "it is more than a variable's name of at most 64 letters, digits, _ and ."


def _shorten(tag: str) -> str:
    text = " ".join(tag.split())
    return text if len(text) <= _MAX_EXCERPT_LENGTH else text[: _MAX_EXCERPT_LENGTH - 1] + "…"


def _find_lone_braces(
    template: str, *, language: Language, variables: dict[str, None]
) -> Iterator[UnsupportedPart]:
    """Where a text says `{x}` and means these letters, although x is a variable that it takes."""
    pattern = _JINJA if language == "jinja2" else _BRACES
    tags = [match.span() for match in pattern.finditer(template)]
    for placeholder in placeholders.find_placeholders(template):
        is_lone = not any(start <= placeholder.start < end for start, end in tags)
        if is_lone and placeholder.name in variables:
            yield UnsupportedPart(
                line=template.count("\n", 0, placeholder.start) + 1,
                excerpt=_shorten(template[placeholder.start : placeholder.end]),
                reason=f"here it would be the variable {placeholder.name!r}, there it is these letters",
            )
