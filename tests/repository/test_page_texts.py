"""The texts of the pages: plain words, one term for one thing; and templates that can be read in a diff."""

import ast
import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

WEB = Path(__file__).resolve().parents[2] / "mintmark" / "web"
TEMPLATES = sorted((WEB / "templates").rglob("*.html"))
MODULES = sorted(WEB.rglob("*.py"))
SCRIPTS = sorted((WEB / "static" / "mintmark").glob("*.js"))

MAX_LINE_LENGTH = 160

# What stopped readers, or names a thing by a second word. Each is searched for as whole words, whatever the case.
REFUSED = (
    r"he|him|his|himself|whoever|thereof|hereby|anew|abroad|foretell\w*|foresee\w*",
    r"told|tells|stands?|standing|entomb\w*|for ever|for good|so far as",
    r"take(s|n)? in|taken up|handed out|hand out|goes? on|go on with|washes off|seizes?|holds no more",
    r"nobody (knows|makes|rates|signed)|at all looks|made-up|so that one|one sees",
    r"house's fee|token book|symbolic tokens?",
    # Words of the specification: the tag `term` shows them as hints.
    r"rituals?|codex|codices|dreamframes?|swarm|resonance",
)
_REFUSED = re.compile(rf"\b({'|'.join(REFUSED)})\b", re.IGNORECASE)

# Only these speak of tokens: those of language models.
ABOUT_MODEL_TOKENS = {
    "new_comparison.html",
    "new_run.html",
    "ritual.html",
    "run.html",
    "runner.html",
}

_UNREAD = re.compile(
    r"<code class=\"command\".*?</code>|<(script|style)\b.*?</\1>|<code>mintmark .*?</code>|{#.*?#}",
    re.DOTALL,
)
_READ_ATTRIBUTE = re.compile(r'\b(?:title|placeholder|aria-label)="([^"]*)"')
_TAG = re.compile(r"""<(?:"[^"]*"|'[^']*'|[^>"'])*>""")


def _extract_texts(template: str) -> Iterator[str]:
    """What people read of a template: its text, and the attributes that are shown or spoken."""
    source = _UNREAD.sub(" ", template)
    source = re.sub(r"{%.*?%}|{{.*?}}", " ", source, flags=re.DOTALL)
    for attribute in _READ_ATTRIBUTE.findall(source):
        yield html.unescape(attribute)
    yield " ".join(html.unescape(_TAG.sub(" ", source)).split())


def _extract_messages(module: str) -> Iterator[str]:
    """The sentences of a module: its strings with a space in them, docstrings and names of terms apart."""
    tree = ast.parse(module)
    unread = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr)
        or (isinstance(node, ast.keyword) and node.arg in ("word", "term"))
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in unread
        ):
            text = re.sub(r"`mintmark [^`]*`", " ", node.value)
            if " " in text.strip() and "\n" not in text:
                yield text


def _find_refused(texts: Iterator[str]) -> list[str]:
    return [
        f"“{found.group()}” in “…{text[max(0, found.start() - 30) : found.end() + 30]}…”"
        for text in texts
        for found in _REFUSED.finditer(text)
    ]


def _name(path: Path) -> str:
    return str(path.relative_to(WEB))


@pytest.mark.parametrize("path", TEMPLATES, ids=_name)
def test_a_template_has_lines_that_can_be_read(path: Path) -> None:
    long = [
        f"{number}: {len(line)} characters"
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if len(line) > MAX_LINE_LENGTH
    ]
    assert not long, f"{_name(path)}: break the lines {long}"


@pytest.mark.parametrize("path", TEMPLATES, ids=_name)
def test_a_template_says_it_in_plain_words(path: Path) -> None:
    assert not _find_refused(_extract_texts(path.read_text()))


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_a_message_of_a_page_says_it_in_plain_words(path: Path) -> None:
    assert not _find_refused(_extract_messages(path.read_text()))


@pytest.mark.parametrize("path", SCRIPTS, ids=_name)
def test_a_script_says_it_in_plain_words(path: Path) -> None:
    quoted = re.findall(r'"[^"\n]* [^"\n]*"|`[^`\n]* [^`\n]*`', path.read_text())
    assert not _find_refused(iter(quoted))


@pytest.mark.parametrize("path", TEMPLATES, ids=_name)
def test_tokens_are_those_of_language_models(path: Path) -> None:
    spoken = [
        text
        for text in _extract_texts(path.read_text())
        if re.search(r"(?<!max-)\btokens?\b", text)
    ]
    assert not spoken or path.name in ABOUT_MODEL_TOKENS


@pytest.mark.parametrize(
    "sentence",
    [
        "A clause that warns is told, and stands in nobody's way.",
        "Nobody rates what he or his team wrote.",
        "Say it anew",
        "Register a ritual",
        "The house's fee is taken first.",
    ],
)
def test_what_stopped_readers_is_recognised(sentence: str) -> None:
    assert _find_refused(_extract_texts(f"<p title='x'>{sentence}</p>"))
    assert _find_refused(_extract_messages(f"message = {sentence!r}"))


def test_commands_and_code_are_not_read_as_texts() -> None:
    template = (
        '<p>Start it:</p><code class="command">mintmark ritual run</code>{% url "ritual" 1 %}'
    )
    assert list(_extract_texts(template)) == ["Start it:"]
