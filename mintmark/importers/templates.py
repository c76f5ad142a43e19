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

from mintmark.core import placeholders

from .chats import heading_at

type Language = Literal["handlebars", "jinja2", "mustache"]

MOST_PLACES = 100
_PLAIN = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_BRACES = re.compile(r"\\?(?:\{\{~?!--.*?--~?\}\}|\{\{\{.*?\}\}\}|\{\{.*?\}\}|\{\{)", re.DOTALL)
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|\{\{|\{%|\{#", re.DOTALL)
_ROLE = re.compile(r"""role\s+(["'])(\w+)\1""")
_ROLES = {"system": "system", "user": "user", "model": "assistant", "assistant": "assistant"}
_WORDS = {
    "handlebars": {"else", "this", "history", "true", "false", "null", "undefined"},
    "mustache": set(),
    "jinja2": {"true", "false", "none", "True", "False", "None", "loop", "self"},
}
_LINE_END = re.compile(r"\A[ \t]*\r?\n")
_LONGEST = 64
_SHOWN = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmapped:
    """A part of a template that has no meaning here: its line (from 1), its words, and why."""

    line: int
    what: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A template as a text of this place, the variables it takes, and whether its messages have roles."""

    text: str
    variables: list[str]
    is_chat: bool
    unmapped: list[Unmapped]


def mapped(template: str, *, language: Language, roles: bool = False) -> Text:
    """A template as a text. `roles` reads dotprompt's `{{role "system"}}` as the beginning of a message.

    `unmapped` names what could not be; the text is worth nothing then.
    """
    pattern = _JINJA if language == "jinja2" else _BRACES
    written, end, is_chat, after_role = "", 0, False, False
    variables: dict[str, None] = {}
    unmapped: list[Unmapped] = []
    for found in pattern.finditer(template):
        tag = found[0]
        before = template[end : found.start()]
        written += _LINE_END.sub("", before, count=1) if after_role else before
        end, after_role = found.end(), False
        role = _ROLE.fullmatch(tag[2:-2].strip()) if roles else None
        name = _variable(tag, language=language)
        if role is not None and role[2] in _ROLES:
            is_chat = after_role = True
            written += "" if not written or written.endswith("\n") else "\n"
            written += f"{_ROLES[role[2]]}:\n"
        elif name is not None:
            variables[name] = None
            written += tag if _is_read_here(tag, name) else f"{{{{{name}}}}}"
        elif not _is_comment(tag):
            line = template.count("\n", 0, found.start()) + 1
            unmapped.append(Unmapped(line=line, what=_shown(tag), why=_why(tag)))
    written += _LINE_END.sub("", template[end:], count=1) if after_role else template[end:]
    clashes = [*_lone_braces(template, language=language, variables=variables)]
    if is_chat and (at := heading_at(template)) is not None:
        why = "a line like this begins another message once the roles are written as lines"
        clashes.append(Unmapped(line=at, what=_shown(template.split("\n")[at - 1]), why=why))
    return Text(
        text=written,
        variables=list(variables),
        is_chat=is_chat,
        unmapped=sorted([*unmapped, *clashes], key=lambda one: one.line)[:MOST_PLACES],
    )


def _variable(tag: str, *, language: Language) -> str | None:
    if tag.startswith("{{{"):
        inner = tag[3:-3] if tag.endswith("}}}") and language != "jinja2" else ""
    elif tag.startswith("{{"):
        inner = tag[2:-2]
    else:
        return None
    if language == "mustache":
        inner = inner.removeprefix("&")
    inner = inner.strip()
    is_name = _PLAIN.fullmatch(inner) and len(inner) <= _LONGEST
    return inner if is_name and inner not in _WORDS[language] else None


def _is_read_here(tag: str, name: str) -> bool:
    """Whether these bytes are a placeholder of this name here too."""
    return [(one.name, one.start, one.end) for one in placeholders.standing(tag)] == [
        (name, 0, len(tag))
    ]


def _is_comment(tag: str) -> bool:
    return tag.endswith(("}}", "#}")) and tag.startswith(("{{!", "{{~!", "{#"))


def _why(tag: str) -> str:
    inner = tag.lstrip("\\{%#~- \t\n")
    if tag in ("{{", "{%", "{#"):
        return "it has no end"
    if tag.startswith("\\"):
        return "an escaped brace can't be told from a placeholder here"
    if tag.startswith("{%") or tag[2:].lstrip("~ ").startswith(("#", "/", "^", "else")):
        return "blocks are not run here: write the text out, or a prompt for each case"
    if tag[2:].lstrip("~ ").startswith(">"):
        return "partials are not read here: write its text out"
    if "|" in inner:
        return "filters are not run here: fill the variable in ready-made"
    if tag[2:3] in "~-" or tag[-3:-2] in "~-":
        return "control of blanks is not done here: write the text as it is to be"
    return "it is more than a variable's name of at most 64 letters, digits, _ and ."


def _shown(tag: str) -> str:
    one = " ".join(tag.split())
    return one if len(one) <= _SHOWN else one[: _SHOWN - 1] + "…"


def _lone_braces(
    template: str, *, language: Language, variables: dict[str, None]
) -> Iterator[Unmapped]:
    """Where a text says `{x}` and means these letters, although x is a variable that it takes."""
    pattern = _JINJA if language == "jinja2" else _BRACES
    tags = [found.span() for found in pattern.finditer(template)]
    for one in placeholders.standing(template):
        is_lone = not any(start <= one.start < end for start, end in tags)
        if is_lone and one.name in variables:
            yield Unmapped(
                line=template.count("\n", 0, one.start) + 1,
                what=_shown(template[one.start : one.end]),
                why=f"here it would be the variable {one.name!r}, there it is these letters",
            )
