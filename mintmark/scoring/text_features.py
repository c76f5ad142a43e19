"""Features of a prompt's wording: a fixed, versioned map from text to a row of numbers.

The first `STYLE` numbers are readable: each has a name, a label in plain words and, where possible, the places in a
text that show it. The rest are sums of random signs over the text's character 3- and 4-grams (feature hashing,
Weinberger et al., ICML 2009), which tell near-copies from strangers without any trained weights. Nothing here is
learned; a change of any number is a new `VERSION`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

VERSION = 1

# Enough to tell the wording of any real instruction; it bounds the work on a pasted book.
HEAD, TAIL = 12_000, 4_000


def _split_words(words: str) -> frozenset[str]:
    return frozenset(words.split())


PLACEHOLDER = re.compile(
    r"\$?\{{1,2}\s*[\w .:|-]{1,60}\s*\}{1,2}|<[a-z_]{2,30}>|\[[A-Z][A-Z _]{2,40}\]"
)
WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
SENTENCE_END = re.compile(r"[.!?]+(?=\s|$)")
LIST_ITEM = re.compile(r"^[ \t]*(?:[-*•]|\d{1,2}[.)])[ \t]", re.MULTILINE)
FIELD = re.compile(r"^[ \t]*[A-Za-z][\w ]{0,24}:", re.MULTILINE)
OPENS_WITH_Q = re.compile(r"\s*(?:Q|Question)\s*:")
QUESTION_WORDS = _split_words(
    "what which who whom whose when where why how is are do does did can could would will"
)
INSTRUCTIONS = _split_words(
    "answer analyze arrange assess choose classify compare complete compose compute consider "
    "construct craft create decide deduce describe detect determine evaluate examine explain "
    "find form formulate generate give identify indicate list make name pick predict produce "
    "provide rank read rewrite select solve sort state summarize tell translate use using "
    "verify write"
)
CLOSING_ANSWER = re.compile(r"(?:^|\n|\s)(?:A|[Aa]nswer)\s*:\Z")


@dataclass(frozen=True)
class TextView:
    """One text, truncated, with values that several features need."""

    text: str
    length: int

    @cached_property
    def lower(self) -> str:
        return self.text.lower()

    @cached_property
    def stripped(self) -> str:
        return self.text.strip()

    @cached_property
    def words(self) -> list[str]:
        return WORD.findall(self.lower)

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        return frozenset(self.words)

    @cached_property
    def placeholders(self) -> list[tuple[int, int]]:
        return [match.span() for match in PLACEHOLDER.finditer(self.text)]

    @cached_property
    def sentences(self) -> int:
        return max(1, len(SENTENCE_END.findall(self.text)))

    @cached_property
    def last_line(self) -> str:
        return self.stripped.rsplit("\n", 1)[-1]

    @cached_property
    def after_placeholders(self) -> str:
        end = self.placeholders[-1][1] if self.placeholders else 0
        return self.text[end:].strip()


def view_text(text: str) -> TextView:
    """Read a text of any length; of a very long one, its head and its tail."""
    if len(text) > HEAD + TAIL:
        return TextView(text=text[:HEAD] + text[-TAIL:], length=len(text))
    return TextView(text=text, length=len(text))


@dataclass(frozen=True)
class Feature:
    """One readable number: `measure` gives it, `words` or `pattern` point at it in a text."""

    name: str
    label: str
    measure: Callable[[TextView], float]
    words: frozenset[str] = frozenset()
    pattern: str = ""
    counted: bool = False


def _build_count_feature(name: str, label: str, mark: str) -> Feature:
    def measure(reading: TextView) -> float:
        return math.log1p(sum(reading.text.count(character) for character in mark))

    return Feature(name, label, measure, pattern=f"[{re.escape(mark)}]", counted=True)


def _build_word_feature(name: str, label: str, words: str) -> Feature:
    chosen = _split_words(words)

    def measure(reading: TextView) -> float:
        return 0.0 if chosen.isdisjoint(reading.vocabulary) else 1.0

    return Feature(name, label, measure, words=chosen)


def _build_phrase_feature(name: str, label: str, *phrases: str) -> Feature:
    def measure(reading: TextView) -> float:
        return 1.0 if any(phrase in reading.lower for phrase in phrases) else 0.0

    return Feature(name, label, measure, pattern="|".join(re.escape(phrase) for phrase in phrases))


def _build_test_feature(
    name: str, label: str, test: Callable[[TextView], bool], pattern: str = ""
) -> Feature:
    return Feature(name, label, lambda reading: float(test(reading)), pattern=pattern)


def _build_size_feature(name: str, label: str, measure: Callable[[TextView], float]) -> Feature:
    return Feature(name, label, measure, counted=True)


def _first_placeholder_position(reading: TextView) -> float:
    if not reading.placeholders:
        return 1.0
    return reading.placeholders[0][0] / max(1, len(reading.text))


def _has_quoted_placeholder(reading: TextView) -> bool:
    text = reading.text
    return any(
        start > 0 and end < len(text) and text[start - 1] in "\"'“‘`" and text[end] in "\"'”’`"
        for start, end in reading.placeholders
    )


def _capital_share(reading: TextView) -> float:
    return sum(map(str.isupper, reading.text)) / max(1, len(reading.text))


READABLE: tuple[Feature, ...] = (
    # How long, how cut up.
    _build_size_feature("length", "longer text", lambda r: math.log1p(r.length)),
    _build_size_feature("sentences", "more sentences", lambda r: math.log(r.sentences)),
    _build_size_feature(
        "sentence_words", "longer sentences", lambda r: math.log1p(len(r.words) / r.sentences)
    ),
    _build_size_feature(
        "word_letters",
        "longer words",
        lambda r: sum(map(len, r.words)) / len(r.words) if r.words else 4.5,
    ),
    _build_size_feature("lines", "more lines", lambda r: math.log1p(r.stripped.count("\n"))),
    _build_test_feature(
        "blank_line", "a blank line inside", lambda r: "\n\n" in r.stripped, r"\n\n"
    ),
    _build_test_feature("opens_blank", "opens with an empty line", lambda r: r.text[:1] == "\n"),
    _build_test_feature(
        "closes_blank", "closes with an empty line", lambda r: r.text[-1:] in ("\n", " ")
    ),
    _build_test_feature(
        "list", "a list of points", lambda r: bool(LIST_ITEM.search(r.text)), LIST_ITEM.pattern
    ),
    # Where the input goes.
    _build_size_feature(
        "placeholders", "more placeholders", lambda r: math.log1p(len(r.placeholders))
    ),
    _build_size_feature(
        "placeholder_place", "the first placeholder comes later", _first_placeholder_position
    ),
    _build_size_feature(
        "after_placeholder",
        "more text after the last placeholder",
        lambda r: math.log1p(len(r.after_placeholders)),
    ),
    _build_test_feature(
        "quoted_placeholder",
        "a placeholder in quotes",
        _has_quoted_placeholder,
        r"[\"'].{1,40}[\"']",
    ),
    _build_test_feature(
        "placeholder_on_own_line",
        "a placeholder that opens a line",
        lambda r: any(start > 0 and r.text[start - 1] == "\n" for start, _ in r.placeholders),
    ),
    _build_test_feature(
        "placeholder_after_colon",
        "a placeholder after a colon",
        lambda r: any(r.text[max(0, s - 2) : s].strip() == ":" for s, _ in r.placeholders),
        r":\s?\{[^}]{1,40}\}",
    ),
    _build_test_feature(
        "closes_placeholder",
        "closes with a placeholder",
        lambda r: bool(r.placeholders) and not r.after_placeholders.strip(".?!\"' "),
    ),
    # Marks.
    _build_count_feature("questions", "more question marks", "?"),
    _build_count_feature("colons", "more colons", ":"),
    _build_count_feature("commas", "more commas", ",;"),
    _build_count_feature("quotes", "more quotation marks", '"“”'),
    _build_count_feature("single_quotes", "more single quotes", "'‘’"),
    _build_count_feature("brackets", "more brackets", "()[]"),
    _build_count_feature("exclamations", "more exclamation marks", "!"),
    _build_size_feature("capitals", "more capital letters", lambda r: 20.0 * _capital_share(r)),
    _build_size_feature(
        "digits", "more digits", lambda r: math.log1p(sum(map(str.isdecimal, r.text)))
    ),
    # How it opens and closes.
    _build_test_feature(
        "opens_q", "opens with “Q:”", lambda r: bool(OPENS_WITH_Q.match(r.text)), r"\A\s*Q\w*:"
    ),
    _build_test_feature(
        "opens_question",
        "opens with a question word",
        lambda r: bool(r.words) and r.words[0 if r.words[0] != "q" else -1] in QUESTION_WORDS,
    ),
    _build_test_feature(
        "opens_verb",
        "opens with an instruction",
        lambda r: bool(r.words) and r.words[0] in INSTRUCTIONS,
    ),
    _build_test_feature(
        "closes_answer",
        "closing “A:” or “Answer:”",
        lambda r: bool(CLOSING_ANSWER.search(r.stripped)),
    ),
    _build_test_feature(
        "closes_output", "closing “Output:”", lambda r: r.last_line.lower().startswith("output")
    ),
    _build_test_feature(
        "closes_colon", "closes with a colon", lambda r: r.stripped.endswith(":"), r":\s*\Z"
    ),
    _build_test_feature(
        "closes_question", "closes with a question", lambda r: r.stripped.endswith("?"), r"\?\s*\Z"
    ),
    _build_test_feature(
        "closes_full_stop",
        "closes with a full stop",
        lambda r: r.stripped.endswith("."),
        r"\.\s*\Z",
    ),
    _build_size_feature(
        "fields",
        "more labelled fields",
        lambda r: math.log1p(sum(1 for _ in FIELD.finditer(r.text))),
    ),
    # What it asks for.
    _build_phrase_feature(
        "steps", "asks for steps", "step by step", "step-by-step", "steps", "first,"
    ),
    _build_word_feature(
        "reasons", "asks for reasons", "explain reason reasoning why because justify logical logic"
    ),
    _build_word_feature(
        "answer", "says “answer” or “respond”", "answer answers respond response reply"
    ),
    _build_word_feature(
        "choice", "asks for a choice", "choose select pick option options choices choice either"
    ),
    _build_phrase_feature(
        "yes_no", "asks for yes or no", "yes or no", "yes/no", '"yes"', "'yes'", "- yes", "true or"
    ),
    _build_phrase_feature("one_word", "asks for one word", "one word", "single word", "one-word"),
    _build_word_feature("only", "says “only” or “just”", "only just exactly solely"),
    _build_word_feature(
        "must", "says “must” or “should”", "must should always never ensure need required"
    ),
    _build_word_feature(
        "examples", "speaks of examples", "example examples sample samples instance e.g"
    ),
    _build_word_feature("polite", "polite", "please kindly thank thanks"),
    _build_word_feature("asks_ability", "asks “can you …?”", "can could would tell"),
    _build_word_feature("you", "speaks to “you”", "you your yours you're"),
    _build_word_feature("i", "speaks as “I” or “we”", "i me my we us our let's"),
    _build_word_feature(
        "given", "sets the scene with “given”", "given following provided below based"
    ),
    _build_word_feature(
        "task", "names a task or goal", "task goal objective role act classify classification"
    ),
    _build_word_feature(
        "determine", "asks to determine", "determine identify indicate decide find detect"
    ),
    _build_word_feature(
        "write", "asks to write", "write create compose generate craft construct produce form"
    ),
    _build_word_feature("compare", "asks to compare", "compare between which than"),
    _build_word_feature(
        "input", "names its input or output", "input output placeholder placeholders"
    ),
    _build_word_feature(
        "correct", "says “correct” or “best”", "correct correctly best right accurate accurately"
    ),
    _build_word_feature(
        "negative", "says “not” or “don't”", "not no don't doesn't without isn't neither"
    ),
)

NAMES: tuple[str, ...] = tuple(feature.name for feature in READABLE)
LABELS: tuple[str, ...] = tuple(feature.label for feature in READABLE)
STYLE = len(READABLE)
HASHED = 64
WIDTH = STYLE + HASHED


def extract_features(text: str) -> NDArray[np.float64]:
    """Return the text's row of `WIDTH` numbers: `STYLE` readable ones, then `HASHED` projections.

    Any string will do, the empty one and lone surrogates included. Numbers are of order one. Time
    is linear in the first 16,000 characters and constant beyond.
    """
    view = view_text(text)
    row = np.empty(WIDTH)
    row[:STYLE] = [feature.measure(view) for feature in READABLE]
    row[STYLE:] = _hash_grams(view.lower)
    return row


def find_examples(name: str, text: str, *, limit: int = 3) -> tuple[str, ...]:
    """Return up to `limit` places in `text` that show the readable feature `name`."""
    feature = READABLE[NAMES.index(name)]
    view = view_text(text)
    if feature.words:
        matches = [
            m.group() for m in WORD.finditer(view.text) if m.group().lower() in feature.words
        ]
    elif feature.pattern:
        flags = re.IGNORECASE | re.MULTILINE
        matches = [m.group().strip() for m in re.finditer(feature.pattern, view.text, flags)]
    else:
        matches = []
    return tuple(dict.fromkeys(matches))[:limit]


def _hash_grams(text: str) -> NDArray[np.float64]:
    """Sum 64 signs a distinct 3- or 4-gram over √(number of grams): exact integer sums."""
    padded = f" {text} ".encode("utf-32-le", "surrogatepass")
    codes = np.frombuffer(padded, dtype="<u4").astype(np.uint64)
    if codes.size < 3:
        return np.zeros(HASHED)
    three = codes[:-2] | (codes[1:-1] << np.uint64(21)) | (codes[2:] << np.uint64(42))
    grams = [_mix(three)]
    if codes.size >= 4:
        grams.append(_mix(grams[0][:-1] ^ (codes[3:] * np.uint64(0x9E3779B97F4A7C15))))
    distinct = np.unique(np.concatenate(grams))
    bits = np.unpackbits(distinct.astype("<u8").view(np.uint8).reshape(-1, 8), axis=1)
    bit_counts = bits.sum(axis=0, dtype=np.int64)
    signs = (2 * bit_counts - distinct.size).astype(np.float64)
    return signs / math.sqrt(distinct.size)


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread 64 bits over 64 bits (the finaliser of splitmix64; Steele et al., OOPSLA 2014)."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
