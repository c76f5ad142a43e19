"""The kinds of checks of a clause: which values each takes, and how each is evaluated on a text.

Each takes time linear in the text. `KINDS` lists them all; docs/codices.md describes them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from . import hidden_characters, languages, placeholders, regex, results, secret_scan, similarity
from .json_schema import validator
from .results import PASSED, CheckResult

PROMPT, OUTPUT = "prompt", "output"
MAX_WORDS = 200
MAX_WORD_CHARACTERS = 1_000
MAX_REFERENCE_CHARACTERS = 20_000
MAX_TOKENS = 1_000_000
# Scripts without spaces between words: each of their characters counts as a word.
_UNSPACED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
_TOKEN = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+|[^\w\s]")


@dataclass(frozen=True, kw_only=True)
class CheckedText:
    """A text to be checked, either a prompt's or an output (see `target`), with the prompt's variables; None where
    these are not known."""

    text: str
    target: str = PROMPT
    variables: Sequence[str] | None = None

    @cached_property
    def casefolded(self) -> str:
        """The text in case-folded form."""
        return self.text.casefold()

    def find_original_span(self, start: int, length: int) -> tuple[int, int]:
        """The span in the original text of a span of `casefolded`: a few letters become two when folded."""
        if len(self.casefolded) == len(self.text):
            return start, start + length
        ends, folded_end = [], 0
        for character in self.text:
            folded_end += len(character.casefold())
            ends.append(folded_end)
            if folded_end >= start + length:
                break
        first = next(n for n, end in enumerate(ends) if end > start)
        return first, len(ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckKind:
    """One kind of check. `validate` says what is wrong with a value ("" for a valid one); `evaluate` decides, given a
    valid value; `value_description` says in words which values are valid."""

    value_description: str
    validate: Callable[[Any], str]
    evaluate: Callable[[Any, CheckedText], CheckResult]
    final_holds: bool | None = None
    only_target: str | None = None
    estimate_work: Callable[[Any, str], int] = lambda value, text: len(text)


def list_words(value: Any) -> list[str]:
    """A value that is a text or a list of texts, as a list."""
    return [value] if isinstance(value, str) else list(value)


def count_tokens(text: str) -> int:
    """The number of words and marks of a text: a run of letters, digits and underscores counts one, and so does every
    other visible character, and every character of scripts without spaces. It is not the count of any model's
    tokenizer."""
    return sum(1 for _ in _TOKEN.finditer(text))


def _validate_no_value(value: Any) -> str:
    return "" if value is None else "it takes no value."


def _validate_words(value: Any) -> str:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not 1 <= len(texts) <= MAX_WORDS:
        return f"its value is a text or a list of 1 to {MAX_WORDS} texts."
    if not all(
        isinstance(text, str) and text.strip() and len(text) <= MAX_WORD_CHARACTERS
        for text in texts
    ):
        return f"each of its texts has 1 to {MAX_WORD_CHARACTERS:,} characters, not spaces alone."
    return ""


def _estimate_words_work(value: Any, text: str) -> int:
    return len(list_words(value)) * len(text)


def _format_texts(texts: Sequence[str]) -> str:
    quoted = ", ".join(repr(text if len(text) <= 60 else f"{text[:59]}…") for text in texts[:5])
    return quoted + (f" and {len(texts) - 5} more" if len(texts) > 5 else "")


def _check_contains(value: Any, subject: CheckedText) -> CheckResult:
    missing = [word for word in list_words(value) if word.casefold() not in subject.casefolded]
    return results.build_failed(f"it lacks {_format_texts(missing)}") if missing else PASSED


def _check_not_contains(value: Any, subject: CheckedText) -> CheckResult:
    offsets = {word: subject.casefolded.find(word.casefold()) for word in list_words(value)}
    contained = [word for word, offset in offsets.items() if offset >= 0]
    if not contained:
        return PASSED
    first = min(contained, key=lambda word: offsets[word])
    span = subject.find_original_span(offsets[first], len(first.casefold()))
    return results.build_failed(
        f"it says {_format_texts(contained)} ({results.format_position(subject.text, span[0])})",
        span,
    )


def _validate_pattern(value: Any) -> str:
    if not isinstance(value, str) or not value:
        return "its value is a pattern, a text."
    try:
        regex.compile_pattern(value)
    except regex.InvalidPattern as wrong:
        return wrong.message
    return ""


def _check_regex(value: Any, subject: CheckedText) -> CheckResult:
    span = regex.compile_pattern(value).search(subject.text)
    return results.build_failed("nothing in it matches the pattern") if span is None else PASSED


def _check_not_regex(value: Any, subject: CheckedText) -> CheckResult:
    span = regex.compile_pattern(value).search(subject.text)
    if span is None:
        return PASSED
    return results.build_failed(
        f"the pattern matches at {results.format_position(subject.text, span[0])}", span
    )


def _validate_max_tokens(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_TOKENS:
        return f"its value is a whole number from 1 to {MAX_TOKENS:,}."
    return ""


def _check_max_tokens(value: Any, subject: CheckedText) -> CheckResult:
    count, excess_start = 0, 0
    for match in _TOKEN.finditer(subject.text):
        count += 1
        if count == value + 1:
            excess_start = match.start()
    if count <= value:
        return PASSED
    return results.build_failed(
        f"it has {count:,} words and marks, {count - value:,} over {value:,}",
        (excess_start, len(subject.text)),
    )


def _check_required_variables(value: Any, subject: CheckedText) -> CheckResult:
    if subject.variables is None:
        return results.build_undecided("the variables of the prompt are not known here")
    missing = [name for name in list_words(value) if name not in subject.variables]
    return (
        results.build_failed(f"it lacks the variables {', '.join(missing)}") if missing else PASSED
    )


def _validate_schema(value: Any) -> str:
    if not isinstance(value, dict | bool):
        return "its value is a JSON Schema, an object."
    try:
        validator.compile_schema(value)
    except validator.InvalidSchema as wrong:
        return wrong.message
    return ""


def _check_json_schema(value: Any, subject: CheckedText) -> CheckResult:
    return validator.compile_schema(value).check(subject.text)


def _check_no_hidden_unicode(value: Any, subject: CheckedText) -> CheckResult:
    hits = hidden_characters.find_hidden(subject.text, limit=100)
    if not hits:
        return PASSED
    first = hits[0]
    others_note = f", and {len(hits) - 1} more" if len(hits) > 1 else ""
    return results.build_failed(
        f"it hides {first.name} at line {first.line}, column {first.column}{others_note}",
        (first.offset, first.offset + 1),
    )


def _check_no_secrets(value: Any, subject: CheckedText) -> CheckResult:
    secrets = secret_scan.find_secrets(subject.text)
    if not secrets:
        return PASSED
    first = secrets[0]
    others_note = f", and {len(secrets) - 1} more" if len(secrets) > 1 else ""
    return results.build_failed(
        f"it shows what looks like {first.name} at {results.format_position(subject.text, first.start)}{others_note}",
        (first.start, first.end),
    )


def _check_no_unfilled_variables(value: Any, subject: CheckedText) -> CheckResult:
    unfilled = placeholders.find_placeholders(subject.text)
    if subject.target == OUTPUT:
        if subject.variables is None:
            return results.build_undecided("the variables of the prompt are not known here")
        unfilled = [
            placeholder for placeholder in unfilled if placeholder.name in subject.variables
        ]
    if not unfilled:
        return PASSED
    names = list(dict.fromkeys(placeholder.name for placeholder in unfilled))
    first = unfilled[0]
    return results.build_failed(
        f"nothing was filled in for {_format_texts(names)}", (first.start, first.end)
    )


def _validate_languages(value: Any) -> str:
    if fault := _validate_words(value):
        return fault
    unknown = sorted(set(list_words(value)) - languages.list_languages())
    return (
        f"the languages {_format_texts(unknown)} can't be told; use codes such as 'en'."
        if unknown
        else ""
    )


def _check_language(value: Any, subject: CheckedText) -> CheckResult:
    shares = languages.rank_languages(subject.text)
    if not shares:
        return results.build_undecided("it has too few letters to tell its language")
    allowed_share = sum(shares.get(code, 0.0) for code in set(list_words(value)))
    if allowed_share >= languages.MIN_PROBABILITY:
        return PASSED
    best, share = max(shares.items(), key=lambda item: item[1])
    if share < languages.MIN_PROBABILITY or best == "zxx":
        return results.build_undecided("its language can't be told with certainty")
    return results.build_failed(
        f"it is in {best!r}, not in {' or '.join(map(repr, list_words(value)))}"
    )


def _validate_similarity(value: Any) -> str:
    message = (
        "its value is {reference: a text, at_least: from 0 to 1, at_most: from 0 to 1}, "
        "one of the bounds or both."
    )
    bounds = {"at_least", "at_most"}
    if not isinstance(value, dict) or not {"reference"} < value.keys() <= bounds | {"reference"}:
        return message
    if not all(_is_share(value[name]) for name in bounds & value.keys()):
        return message
    if value.get("at_least", 0) > value.get("at_most", 1):
        return "its at_least is above its at_most."
    reference = value["reference"]
    if not isinstance(reference, str) or not 1 <= len(reference) <= MAX_REFERENCE_CHARACTERS:
        return f"its reference is a text of 1 to {MAX_REFERENCE_CHARACTERS:,} characters."
    return (
        "" if similarity.count_trigrams(reference) else "its reference has no letter and no digit."
    )


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _check_similarity(value: Any, subject: CheckedText) -> CheckResult:
    alike = similarity.cosine(subject.text, value["reference"])
    minimum, maximum = value.get("at_least"), value.get("at_most")
    if minimum is not None and alike < minimum:
        return results.build_failed(f"it is {alike:.2f} like the reference, below {minimum:g}")
    if maximum is not None and alike > maximum:
        return results.build_failed(f"it is {alike:.2f} like the reference, above {maximum:g}")
    return PASSED


def _validate_judge(value: Any) -> str:
    if value is None or (isinstance(value, str) and 1 <= len(value) <= MAX_REFERENCE_CHARACTERS):
        return ""
    return f"its value is what is asked of the judge, a text of at most {MAX_REFERENCE_CHARACTERS:,} characters."


def _defer_to_judge(value: Any, subject: CheckedText) -> CheckResult:
    return results.build_undecided(
        "a ritual's judge decides it; it can't be decided from the text here"
    )


def _defer_to_person(value: Any, subject: CheckedText) -> CheckResult:
    return results.build_undecided("a person decides it; it can't be decided from the text here")


_A_TEXT_OR_SEVERAL = "a text, or a list of texts"
_NONE = "nothing"

KINDS: Mapping[str, CheckKind] = {
    "contains": CheckKind(
        value_description=_A_TEXT_OR_SEVERAL, validate=_validate_words, evaluate=_check_contains, final_holds=True,
        estimate_work=_estimate_words_work,
    ),
    "not-contains": CheckKind(
        value_description=_A_TEXT_OR_SEVERAL, validate=_validate_words, evaluate=_check_not_contains, final_holds=False,
        estimate_work=_estimate_words_work,
    ),
    "regex": CheckKind(
        value_description="a pattern", validate=_validate_pattern, evaluate=_check_regex, final_holds=True,
        estimate_work=lambda value, text: regex.compile_pattern(value).estimate_work(text),
    ),
    "not-regex": CheckKind(
        value_description="a pattern", validate=_validate_pattern, evaluate=_check_not_regex, final_holds=False,
        estimate_work=lambda value, text: regex.compile_pattern(value).estimate_work(text),
    ),
    "max-tokens": CheckKind(
        value_description="a whole number", validate=_validate_max_tokens, evaluate=_check_max_tokens,
        final_holds=False, estimate_work=lambda value, text: 5 * len(text),
    ),
    "required-variables": CheckKind(
        value_description="a name, or a list of names", validate=_validate_words, evaluate=_check_required_variables,
        final_holds=True, only_target=PROMPT, estimate_work=lambda value, text: 1,
    ),
    "json-schema": CheckKind(
        value_description="a JSON Schema", validate=_validate_schema, evaluate=_check_json_schema, only_target=OUTPUT,
        estimate_work=lambda value, text: 20 * len(text),
    ),
    "no-hidden-unicode": CheckKind(
        value_description=_NONE, validate=_validate_no_value, evaluate=_check_no_hidden_unicode, final_holds=False,
        estimate_work=lambda value, text: 5 * len(text),
    ),
    "no-secrets": CheckKind(
        value_description=_NONE, validate=_validate_no_value, evaluate=_check_no_secrets, final_holds=False,
        estimate_work=lambda value, text: 5 * len(text),
    ),
    "no-unfilled-variables": CheckKind(
        value_description=_NONE, validate=_validate_no_value, evaluate=_check_no_unfilled_variables, final_holds=False
    ),
    "language": CheckKind(
        value_description="a code of a language, or a list of them", validate=_validate_languages,
        evaluate=_check_language, estimate_work=lambda value, text: 50 * languages.MAX_CHARACTERS,
    ),
    "similarity": CheckKind(
        value_description="a reference and bounds", validate=_validate_similarity, evaluate=_check_similarity,
        estimate_work=lambda value, text: 50 * (len(text) + len(value["reference"])),
    ),
    "judge": CheckKind(
        value_description="nothing, or what is asked", validate=_validate_judge, evaluate=_defer_to_judge
    ),
    "human-verdict": CheckKind(value_description=_NONE, validate=_validate_no_value, evaluate=_defer_to_person),
}  # fmt: skip
