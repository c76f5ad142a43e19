"""Paraphrasing by rules: the same input as another person would have typed it. No model, deterministic.

Rules change spelling and layout, never names, numbers or the order of what is said. A text of fewer than five words, or
one with signs of code in it, stays as it is: there a changed character may change the meaning.
"""

import re
from collections.abc import Callable, Mapping, Sequence

MIN_WORDS = 5
_CODE = re.compile(r"[{}<>=;\\|`]|\b\w+\(")
_CONTRACTIONS = {
    "do not": "don't",
    "does not": "doesn't",
    "did not": "didn't",
    "is not": "isn't",
    "are not": "aren't",
    "was not": "wasn't",
    "were not": "weren't",
    "have not": "haven't",
    "has not": "hasn't",
    "had not": "hadn't",
    "would not": "wouldn't",
    "could not": "couldn't",
    "should not": "shouldn't",
}
_PLAIN_WORDS = {
    "in order to": "to",
    "for example": "for instance",
    "approximately": "about",
    "additionally": "in addition",
    "therefore": "so",
    "utilise": "use",
    "utilize": "use",
    "prior to": "before",
    "subsequently": "later",
    "a large number of": "many",
    "at this point in time": "now",
    "due to the fact that": "because",
}


def _build_replacer(table: Mapping[str, str]) -> Callable[[str], str]:
    """Each key of the table by its value, as whole words, a capital kept."""
    # The longest first, so that no key hides a longer one.
    keys = sorted(table, key=len, reverse=True)
    pattern = re.compile(
        r"(?<![\w'’])(?:" + "|".join(map(re.escape, keys)) + r")(?![\w'’])", re.IGNORECASE
    )

    def replace_match(match: re.Match[str]) -> str:
        new = table[match[0].lower()]
        return new[0].upper() + new[1:] if match[0][0].isupper() else new

    return lambda text: pattern.sub(replace_match, text)


def _curl_quotes(text: str) -> str:
    text = re.sub(r'(^|[\s(\[])"', r"\1“", text).replace('"', "”")
    return re.sub(r"(^|[\s(\[])'", r"\1‘", text).replace("'", "’")


def _straighten_quotes(text: str) -> str:
    return text.translate(str.maketrans("“”„‘’", '"""\'\''))


def _split_sentences(text: str) -> str:
    return re.sub(r"(?<=[a-z)][.!?]) +(?=[A-Z])", "\n", text)


def _join_lines(text: str) -> str:
    return re.sub(r"\s*\n\s*", " ", text)


def _drop_final_stop(text: str) -> str:
    return text[:-1] if text.endswith(".") and not text.endswith("..") else text


def _lowercase_start(text: str) -> str:
    # Only an ordinary word: not "I", not "NASA", not a name that the next sentence would spell alike.
    match = re.match(r"(The|A|An|This|That|There|It|We|You|In|On|At|For|When|If|My|Our)\b", text)
    return text[0].lower() + text[1:] if match else text


RULES: Mapping[str, Callable[[str], str]] = {
    "contracted": _build_replacer(_CONTRACTIONS),
    "spelled-out": _build_replacer({short.lower(): long for long, short in _CONTRACTIONS.items()}),
    "plain-words": _build_replacer(_PLAIN_WORDS),
    "curly-quotes": _curl_quotes,
    "straight-quotes": _straighten_quotes,
    "a-sentence-a-line": _split_sentences,
    "one-line": _join_lines,
    "no-final-stop": _drop_final_stop,
    "small-start": _lowercase_start,
}
"""The rules by name; what they do is listed in docs/rituals.md."""

_OPPOSITES = (
    {"contracted", "spelled-out"},
    {"curly-quotes", "straight-quotes"},
    {"a-sentence-a-line", "one-line"},
)


def select_compatible(rules: Sequence[str]) -> tuple[str, ...]:
    """The rules in their order, without those that would undo one before them."""
    selected: list[str] = []
    for rule in rules:
        if not any(rule in pair and pair & set(selected) for pair in _OPPOSITES):
            selected.append(rule)
    return tuple(selected)


def reword(text: str, *, rules: Sequence[str]) -> str:
    """A text after each of these rules in turn; as it is where it is short or looks like code."""
    if len(text.split()) < MIN_WORDS or _CODE.search(text):
        return text
    for rule in rules:
        text = RULES[rule](text)
    return text
