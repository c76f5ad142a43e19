"""What promptfoo's templates (Nunjucks) put in the place of `{{ name }}`, and what its values are as texts.

A name, the members of a mapping (`{{ user.name }}`), comments and the filters `upper`, `lower` and `trim` are read.
Blocks, expressions and other filters are refused with their line: their result can't be told without running them.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

MAX_NESTED_STEPS = 5
"""How often promptfoo looks again for names in a variable's value."""

MAX_RESOLVED_CHARACTERS = 200_000
_TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|\{\{|\{%|\{#", re.DOTALL)
_PATH = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_FLAT_NAME = re.compile(r"[A-Za-z_][\w.-]{0,63}")
_KEYWORDS = frozenset(
    {"and", "else", "false", "if", "in", "is", "none", "not", "null", "or", "true"}
)
_SPACES = " \t\n\r\v\f\u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(
    map(chr, range(0x2000, 0x200B))
)
_FILTERS: Mapping[str, Callable[[str], str]] = {
    "upper": str.upper,
    "lower": str.lower,
    "trim": lambda text: text.strip(_SPACES),
}
# JavaScript's String.replace reads these in what it puts in.
_REPLACEMENT_PATTERN = re.compile(r"\$[$&`']")
_MAX_EXACT_INTEGER = 2**53
_MAX_EXCERPT_LENGTH = 60


class UnsupportedTemplate(ValueError):
    """A part of a template that is not run here: its line (from 1), its words, and the reason."""

    def __init__(self, *, line: int, excerpt: str, reason: str) -> None:
        plain = " ".join(excerpt.split())
        shown = (
            plain if len(plain) <= _MAX_EXCERPT_LENGTH else plain[: _MAX_EXCERPT_LENGTH - 1] + "…"
        )
        super().__init__(f"line {line}: {shown}: {reason}")
        self.line = line
        self.excerpt = shown
        self.reason = reason


def has_tags(text: str) -> bool:
    """Whether a text holds anything that Nunjucks would read: `{{`, `{%` or `{#`."""
    return _TAG.search(text) is not None


def render(template: str, *, variables: Mapping[str, Any]) -> str:
    """A template filled in as Nunjucks does. Raises `UnsupportedTemplate`, also for a name without a value, for which
    Nunjucks writes nothing."""
    return "".join(_iterate_parts(template, variables))


def measure(template: str, *, variables: Mapping[str, Any]) -> int:
    """The length of what `render` would give, without building it."""
    return sum(map(len, _iterate_parts(template, variables)))


def resolve_variables(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Variables as promptfoo has them when it asks: the end of a text's last line goes, `{{ name }}` in a text becomes
    the other variable. Raises `UnsupportedTemplate` for what it would do beyond that."""
    resolved = {
        name: re.sub(r"\n\Z", "", value) if isinstance(value, str) else value
        for name, value in variables.items()
    }
    for name in resolved:
        steps = 0
        while isinstance(value := resolved[name], str) and (match := _TAG.search(value)):
            steps += 1
            resolved[name] = _resolve_tag(value, match, resolved)
            if steps > MAX_NESTED_STEPS or len(resolved[name]) > MAX_RESOLVED_CHARACTERS:
                reason = f"the variable {name!r} stands for itself, or for too many others"
                raise UnsupportedTemplate(line=1, excerpt=match[0], reason=reason)
    return resolved


def to_output(value: Any) -> str:
    """A value as Nunjucks writes it into a text: nothing for null, else as JavaScript has it."""
    return "" if value is None else to_js_text(value)


def to_js_text(value: Any) -> str:
    """A value as JavaScript's `String(value)` has it. Raises ValueError for an object, which has no text."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return format_number(value)
    if isinstance(value, list | tuple):
        return ",".join("" if item is None else to_js_text(item) for item in value)
    raise ValueError("an object would be written as [object Object]: name its members")


def format_number(value: float) -> str:
    """A number as JavaScript writes it: 10 for 10.0, 0.00001 for 1e-05, 1e+21 for 1e21."""
    if isinstance(value, int) and abs(value) <= _MAX_EXACT_INTEGER:
        return str(value)
    try:
        number = float(value)
    except OverflowError:
        return "Infinity" if value > 0 else "-Infinity"
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    if number == 0.0:
        return "0"
    # The shortest digits that read back as the number, as ECMAScript's Number::toString takes them.
    parts = Decimal(repr(abs(number))).normalize().as_tuple()
    digits = "".join(map(str, parts.digits))
    point = len(digits) + int(parts.exponent)
    if len(digits) <= point <= 21:
        text = digits + "0" * (point - len(digits))
    elif 0 < point <= 21:
        text = f"{digits[:point]}.{digits[point:]}"
    elif -6 < point <= 0:
        text = f"0.{'0' * -point}{digits}"
    else:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        text = f"{digits[0]}{fraction}e{point - 1:+d}"
    return text if number > 0 else f"-{text}"


def _iterate_parts(template: str, variables: Mapping[str, Any]) -> Iterator[str]:
    end = 0
    for match in _TAG.finditer(template):
        yield template[end : match.start()]
        end = match.end()
        line = template.count("\n", 0, match.start()) + 1
        yield _render_tag(match[0], variables, line=line)
    yield template[end:]


def _render_tag(tag: str, variables: Mapping[str, Any], *, line: int) -> str:
    def fail(reason: str) -> UnsupportedTemplate:
        return UnsupportedTemplate(line=line, excerpt=tag, reason=reason)

    if tag in ("{{", "{%", "{#"):
        raise fail("it has no end")
    if tag.startswith("{#"):
        return ""
    if tag.startswith("{%"):
        raise fail("blocks are not run here: write the text out")
    inner, *filters = (part.strip() for part in tag[2:-2].split("|"))
    if inner in variables and _FLAT_NAME.fullmatch(inner):
        value = variables[inner]
    elif not _PATH.fullmatch(inner) or inner.partition(".")[0] in _KEYWORDS:
        raise fail("expressions are not run here: name a variable")
    else:
        value = variables
        for step in inner.split("."):
            if not isinstance(value, Mapping) or step not in value:
                raise fail(f"there is no variable {inner!r}, so nothing would stand in its place")
            value = value[step]
    if unknown := [name for name in filters if name not in _FILTERS]:
        raise fail(f"the filter {unknown[0]!r} is not run here: write its result")
    if filters and not isinstance(value, str):
        raise fail("a filter of a value that is no text is not run here: write its result")
    try:
        text = to_output(value)
    except ValueError as error:
        raise fail(str(error)) from None
    for name in filters:
        text = _FILTERS[name](text)
    return text


def _resolve_tag(value: str, match: re.Match[str], variables: Mapping[str, Any]) -> str:
    """A text with one `{{ name }}` replaced by that variable; what promptfoo would run as a template is refused."""
    tag = match[0]
    name = tag[2:-2].strip() if tag.startswith("{{") else ""
    reason = ""
    if not re.fullmatch(r"\w+", name, re.ASCII) or name not in variables:
        reason = "in a variable's value only the name of another one is read here"
    else:
        try:
            inserted = to_js_text(variables[name])
            if _REPLACEMENT_PATTERN.search(inserted):
                reason = f"{inserted[:40]!r} would not be put in as it is"
        except ValueError as error:
            reason = str(error)
    if reason:
        line = value.count("\n", 0, match.start()) + 1
        raise UnsupportedTemplate(line=line, excerpt=tag, reason=reason)
    return value[: match.start()] + inserted + value[match.end() :]
