"""The kinds of checks that a clause may hold: what each takes as its value, and what it says of a text.

Each is decided in time linear in the text. `KINDS` names them all; `docs/codices.md` tells of them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from . import findings, languages, leaks, patterns, placeholders, schemas, similarity, unicode
from .findings import KEPT, Finding

PROMPT, OUTPUT = "prompt", "output"
MOST_WORDS = 200
LONGEST_WORD = 1_000
LONGEST_REFERENCE = 20_000
MOST_TOKENS = 1_000_000
# Scripts that put no space between words: each of their characters counts as a word.
_UNSPACED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
_TOKEN = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+|[^\w\s]")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A text to be checked: a prompt's or an output (`of`), with the variables of the prompt, None where they aren't
    known."""

    text: str
    of: str = PROMPT
    variables: Sequence[str] | None = None

    @cached_property
    def folded(self) -> str:
        """The text without regard to case."""
        return self.text.casefold()

    def unfolded(self, start: int, length: int) -> tuple[int, int]:
        """The span of the text that a span of `folded` stands for: a few letters become two when folded."""
        if len(self.folded) == len(self.text):
            return start, start + length
        ends, reached = [], 0
        for character in self.text:
            reached += len(character.casefold())
            ends.append(reached)
            if reached >= start + length:
                break
        first = next(n for n, end in enumerate(ends) if end > start)
        return first, len(ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of check. `fault` says what is wrong with a value, "" where nothing is; `find` decides, given a value
    without fault; `takes` says in words which values there are.

    `stands` is the finding that what follows can't change: it still holds of a text that was cut. `only` is what alone
    it can be applied to, `work` what it costs in units of `schema_budget.MOST_WORK`.
    """

    takes: str
    fault: Callable[[Any], str]
    find: Callable[[Any, Subject], Finding]
    stands: bool | None = None
    only: str | None = None
    work: Callable[[Any, str], int] = lambda value, text: len(text)


def words(value: Any) -> list[str]:
    """A value that is one text or a list of them, as a list."""
    return [value] if isinstance(value, str) else list(value)


def tokens(text: str) -> int:
    """How many words and marks a text has: a run of letters, digits and underscores counts one, so does every other
    visible character, and every character of scripts written without spaces. No model's tokenizer counts so."""
    return sum(1 for _ in _TOKEN.finditer(text))


def _no_value(value: Any) -> str:
    return "" if value is None else "it takes no value."


def _words_fault(value: Any) -> str:
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not 1 <= len(found) <= MOST_WORDS:
        return f"its value is a text or a list of 1 to {MOST_WORDS} texts."
    if not all(isinstance(one, str) and one.strip() and len(one) <= LONGEST_WORD for one in found):
        return f"each of its texts has 1 to {LONGEST_WORD:,} characters, not spaces alone."
    return ""


def _words_work(value: Any, text: str) -> int:
    return len(words(value)) * len(text)


def _listed(found: Sequence[str]) -> str:
    shown = ", ".join(repr(one if len(one) <= 60 else f"{one[:59]}…") for one in found[:5])
    return shown + (f" and {len(found) - 5} more" if len(found) > 5 else "")


def _contains(value: Any, subject: Subject) -> Finding:
    missing = [word for word in words(value) if word.casefold() not in subject.folded]
    return findings.broken(f"it lacks {_listed(missing)}") if missing else KEPT


def _not_contains(value: Any, subject: Subject) -> Finding:
    at = {word: subject.folded.find(word.casefold()) for word in words(value)}
    said = [word for word, offset in at.items() if offset >= 0]
    if not said:
        return KEPT
    first = min(said, key=lambda word: at[word])
    span = subject.unfolded(at[first], len(first.casefold()))
    return findings.broken(
        f"it says {_listed(said)} ({findings.place(subject.text, span[0])})", span
    )


def _pattern_fault(value: Any) -> str:
    if not isinstance(value, str) or not value:
        return "its value is a pattern, a text."
    try:
        patterns.compiled(value)
    except patterns.InvalidPattern as wrong:
        return wrong.message
    return ""


def _regex(value: Any, subject: Subject) -> Finding:
    found = patterns.compiled(value).search(subject.text)
    return findings.broken("nothing in it matches the pattern") if found is None else KEPT


def _not_regex(value: Any, subject: Subject) -> Finding:
    span = patterns.compiled(value).search(subject.text)
    if span is None:
        return KEPT
    return findings.broken(f"the pattern matches at {findings.place(subject.text, span[0])}", span)


def _most_fault(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_TOKENS:
        return f"its value is a whole number from 1 to {MOST_TOKENS:,}."
    return ""


def _max_tokens(value: Any, subject: Subject) -> Finding:
    count, beyond = 0, 0
    for match in _TOKEN.finditer(subject.text):
        count += 1
        if count == value + 1:
            beyond = match.start()
    if count <= value:
        return KEPT
    return findings.broken(
        f"it has {count:,} words and marks, {count - value:,} over {value:,}",
        (beyond, len(subject.text)),
    )


def _required_variables(value: Any, subject: Subject) -> Finding:
    if subject.variables is None:
        return findings.undecided("the variables of the prompt are not known here")
    lacking = [name for name in words(value) if name not in subject.variables]
    return findings.broken(f"it lacks the variables {', '.join(lacking)}") if lacking else KEPT


def _schema_fault(value: Any) -> str:
    if not isinstance(value, dict | bool):
        return "its value is a JSON Schema, an object."
    try:
        schemas.compiled(value)
    except schemas.InvalidSchema as wrong:
        return wrong.message
    return ""


def _json_schema(value: Any, subject: Subject) -> Finding:
    return schemas.compiled(value).check(subject.text)


def _no_hidden_unicode(value: Any, subject: Subject) -> Finding:
    places = unicode.hidden(subject.text, most=100)
    if not places:
        return KEPT
    first = places[0]
    more = f", and {len(places) - 1} more" if len(places) > 1 else ""
    return findings.broken(
        f"it hides {first.name} at line {first.line}, column {first.column}{more}",
        (first.offset, first.offset + 1),
    )


def _no_secrets(value: Any, subject: Subject) -> Finding:
    found = leaks.found(subject.text)
    if not found:
        return KEPT
    first = found[0]
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    return findings.broken(
        f"it shows what looks like {first.name} at {findings.place(subject.text, first.start)}{more}",
        (first.start, first.end),
    )


def _no_unfilled_variables(value: Any, subject: Subject) -> Finding:
    standing = placeholders.standing(subject.text)
    if subject.of == OUTPUT:
        if subject.variables is None:
            return findings.undecided("the variables of the prompt are not known here")
        standing = [one for one in standing if one.name in subject.variables]
    if not standing:
        return KEPT
    names = list(dict.fromkeys(one.name for one in standing))
    first = standing[0]
    return findings.broken(f"nothing was filled in for {_listed(names)}", (first.start, first.end))


def _language_fault(value: Any) -> str:
    if fault := _words_fault(value):
        return fault
    unknown = sorted(set(words(value)) - languages.known())
    return (
        f"the languages {_listed(unknown)} can't be told; use codes such as 'en'."
        if unknown
        else ""
    )


def _language(value: Any, subject: Subject) -> Finding:
    shares = languages.likely(subject.text)
    if not shares:
        return findings.undecided("it has too few letters to tell its language")
    wanted = sum(shares.get(code, 0.0) for code in set(words(value)))
    if wanted >= languages.SURE:
        return KEPT
    best, share = max(shares.items(), key=lambda item: item[1])
    if share < languages.SURE or best == "zxx":
        return findings.undecided("its language can't be told with certainty")
    return findings.broken(f"it is in {best!r}, not in {' or '.join(map(repr, words(value)))}")


def _similarity_fault(value: Any) -> str:
    says = "its value is {reference: a text, at_least: from 0 to 1, at_most: from 0 to 1}, one of the bounds or both."
    bounds = {"at_least", "at_most"}
    if not isinstance(value, dict) or not {"reference"} < value.keys() <= bounds | {"reference"}:
        return says
    if not all(_is_share(value[name]) for name in bounds & value.keys()):
        return says
    if value.get("at_least", 0) > value.get("at_most", 1):
        return "its at_least is above its at_most."
    reference = value["reference"]
    if not isinstance(reference, str) or not 1 <= len(reference) <= LONGEST_REFERENCE:
        return f"its reference is a text of 1 to {LONGEST_REFERENCE:,} characters."
    return "" if similarity.grams(reference) else "its reference has no letter and no digit."


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _similarity(value: Any, subject: Subject) -> Finding:
    alike = similarity.cosine(subject.text, value["reference"])
    least, most = value.get("at_least"), value.get("at_most")
    if least is not None and alike < least:
        return findings.broken(f"it is {alike:.2f} like the reference, below {least:g}")
    if most is not None and alike > most:
        return findings.broken(f"it is {alike:.2f} like the reference, above {most:g}")
    return KEPT


def _judge_fault(value: Any) -> str:
    if value is None or (isinstance(value, str) and 1 <= len(value) <= LONGEST_REFERENCE):
        return ""
    return f"its value is what is asked of the judge, a text of at most {LONGEST_REFERENCE:,} characters."


def _by_a_judge(value: Any, subject: Subject) -> Finding:
    return findings.undecided("a ritual's judge decides it; it can't be decided from the text here")


def _by_a_person(value: Any, subject: Subject) -> Finding:
    return findings.undecided("a person decides it; it can't be decided from the text here")


_A_TEXT_OR_SEVERAL = "a text, or a list of texts"
_NONE = "nothing"

KINDS: Mapping[str, Kind] = {
    "contains": Kind(
        takes=_A_TEXT_OR_SEVERAL, fault=_words_fault, find=_contains, stands=True, work=_words_work
    ),
    "not-contains": Kind(
        takes=_A_TEXT_OR_SEVERAL, fault=_words_fault, find=_not_contains, stands=False,
        work=_words_work,
    ),
    "regex": Kind(
        takes="a pattern", fault=_pattern_fault, find=_regex, stands=True,
        work=lambda value, text: patterns.compiled(value).work(text),
    ),
    "not-regex": Kind(
        takes="a pattern", fault=_pattern_fault, find=_not_regex, stands=False,
        work=lambda value, text: patterns.compiled(value).work(text),
    ),
    "max-tokens": Kind(
        takes="a whole number", fault=_most_fault, find=_max_tokens, stands=False,
        work=lambda value, text: 5 * len(text),
    ),
    "required-variables": Kind(
        takes="a name, or a list of names", fault=_words_fault, find=_required_variables,
        stands=True, only=PROMPT, work=lambda value, text: 1,
    ),
    "json-schema": Kind(
        takes="a JSON Schema", fault=_schema_fault, find=_json_schema, only=OUTPUT,
        work=lambda value, text: 20 * len(text),
    ),
    "no-hidden-unicode": Kind(
        takes=_NONE, fault=_no_value, find=_no_hidden_unicode, stands=False,
        work=lambda value, text: 5 * len(text),
    ),
    "no-secrets": Kind(
        takes=_NONE, fault=_no_value, find=_no_secrets, stands=False,
        work=lambda value, text: 5 * len(text),
    ),
    "no-unfilled-variables": Kind(
        takes=_NONE, fault=_no_value, find=_no_unfilled_variables, stands=False
    ),
    "language": Kind(
        takes="a code of a language, or a list of them", fault=_language_fault, find=_language,
        work=lambda value, text: 50 * languages.LONGEST,
    ),
    "similarity": Kind(
        takes="a reference and bounds", fault=_similarity_fault, find=_similarity,
        work=lambda value, text: 50 * (len(text) + len(value["reference"])),
    ),
    "judge": Kind(takes="nothing, or what is asked", fault=_judge_fault, find=_by_a_judge),
    "human-verdict": Kind(takes=_NONE, fault=_no_value, find=_by_a_person),
}  # fmt: skip
