"""What a prompt's wording looks like: a fixed, versioned map from text to a row of numbers.

The first `STYLE` numbers are readable: each has a name, a label in plain words and, where it can be
pointed at, the places in a text that show it. The rest are sums of random signs over the text's
character 3- and 4-grams (feature hashing, Weinberger et al., ICML 2009), which tell near-copies
from strangers without any trained weights. Nothing here is learned; a change of any number is a
new `VERSION`.
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


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


PLACEHOLDER = re.compile(
    r"\$?\{{1,2}\s*[\w .:|-]{1,60}\s*\}{1,2}|<[a-z_]{2,30}>|\[[A-Z][A-Z _]{2,40}\]"
)
WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
SENTENCE_END = re.compile(r"[.!?]+(?=\s|$)")
LIST_ITEM = re.compile(r"^[ \t]*(?:[-*•]|\d{1,2}[.)])[ \t]", re.MULTILINE)
FIELD = re.compile(r"^[ \t]*[A-Za-z][\w ]{0,24}:", re.MULTILINE)
OPENS_WITH_Q = re.compile(r"\s*(?:Q|Question)\s*:")
QUESTION_WORDS = _set(
    "what which who whom whose when where why how is are do does did can could would will"
)
INSTRUCTIONS = _set(
    "answer analyze arrange assess choose classify compare complete compose compute consider "
    "construct craft create decide deduce describe detect determine evaluate examine explain "
    "find form formulate generate give identify indicate list make name pick predict produce "
    "provide rank read rewrite select solve sort state summarize tell translate use using "
    "verify write"
)
CLOSING_ANSWER = re.compile(r"(?:^|\n|\s)(?:A|[Aa]nswer)\s*:\Z")


@dataclass(frozen=True)
class Reading:
    """One text, bounded, with what several features need worked out once."""

    text: str
    length: int

    @cached_property
    def lower(self) -> str:
        return self.text.lower()

    @cached_property
    def bare(self) -> str:
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
        return self.bare.rsplit("\n", 1)[-1]

    @cached_property
    def after_placeholders(self) -> str:
        end = self.placeholders[-1][1] if self.placeholders else 0
        return self.text[end:].strip()

    @cached_property
    def before_placeholders(self) -> str:
        return self.text[: self.placeholders[0][0]] if self.placeholders else self.text


def read(text: str) -> Reading:
    """Read a text of any length; of a very long one, its head and its tail."""
    if len(text) > HEAD + TAIL:
        return Reading(text=text[:HEAD] + text[-TAIL:], length=len(text))
    return Reading(text=text, length=len(text))


@dataclass(frozen=True)
class Feature:
    """One readable number: `measure` gives it, `words` or `pattern` point at it in a text."""

    name: str
    label: str
    measure: Callable[[Reading], float]
    words: frozenset[str] = frozenset()
    pattern: str = ""
    counted: bool = False


def _count(name: str, label: str, mark: str) -> Feature:
    def measure(reading: Reading) -> float:
        return math.log1p(sum(reading.text.count(one) for one in mark))

    return Feature(name, label, measure, pattern=f"[{re.escape(mark)}]", counted=True)


def _says(name: str, label: str, words: str) -> Feature:
    chosen = _set(words)

    def measure(reading: Reading) -> float:
        return 0.0 if chosen.isdisjoint(reading.vocabulary) else 1.0

    return Feature(name, label, measure, words=chosen)


def _phrase(name: str, label: str, *phrases: str) -> Feature:
    def measure(reading: Reading) -> float:
        return 1.0 if any(phrase in reading.lower for phrase in phrases) else 0.0

    return Feature(name, label, measure, pattern="|".join(re.escape(one) for one in phrases))


def _is(name: str, label: str, test: Callable[[Reading], bool], pattern: str = "") -> Feature:
    return Feature(name, label, lambda reading: float(test(reading)), pattern=pattern)


def _size(name: str, label: str, measure: Callable[[Reading], float]) -> Feature:
    return Feature(name, label, measure, counted=True)


def _place_of_first(reading: Reading) -> float:
    if not reading.placeholders:
        return 1.0
    return reading.placeholders[0][0] / max(1, len(reading.text))


def _quoted_placeholder(reading: Reading) -> bool:
    text = reading.text
    return any(
        start > 0 and end < len(text) and text[start - 1] in "\"'“‘`" and text[end] in "\"'”’`"
        for start, end in reading.placeholders
    )


def _capital_share(reading: Reading) -> float:
    return sum(map(str.isupper, reading.text)) / max(1, len(reading.text))


READABLE: tuple[Feature, ...] = (
    # How long, how cut up.
    _size("length", "longer text", lambda r: math.log1p(r.length)),
    _size("sentences", "more sentences", lambda r: math.log(r.sentences)),
    _size("sentence_words", "longer sentences", lambda r: math.log1p(len(r.words) / r.sentences)),
    _size(
        "word_letters",
        "longer words",
        lambda r: sum(map(len, r.words)) / len(r.words) if r.words else 4.5,
    ),
    _size("lines", "more lines", lambda r: math.log1p(r.bare.count("\n"))),
    _is("blank_line", "a blank line inside", lambda r: "\n\n" in r.bare, r"\n\n"),
    _is("opens_blank", "opens with an empty line", lambda r: r.text[:1] == "\n"),
    _is("closes_blank", "closes with an empty line", lambda r: r.text[-1:] in ("\n", " ")),
    _is("list", "a list of points", lambda r: bool(LIST_ITEM.search(r.text)), LIST_ITEM.pattern),
    # Where the input goes.
    _size("placeholders", "more placeholders", lambda r: math.log1p(len(r.placeholders))),
    _size("placeholder_place", "the first placeholder comes later", _place_of_first),
    _size(
        "after_placeholder",
        "more text after the last placeholder",
        lambda r: math.log1p(len(r.after_placeholders)),
    ),
    _is("quoted_placeholder", "a placeholder in quotes", _quoted_placeholder, r"[\"'].{1,40}[\"']"),
    _is(
        "placeholder_on_own_line",
        "a placeholder that opens a line",
        lambda r: any(start > 0 and r.text[start - 1] == "\n" for start, _ in r.placeholders),
    ),
    _is(
        "placeholder_after_colon",
        "a placeholder after a colon",
        lambda r: any(r.text[max(0, s - 2) : s].strip() == ":" for s, _ in r.placeholders),
        r":\s?\{[^}]{1,40}\}",
    ),
    _is(
        "closes_placeholder",
        "closes with a placeholder",
        lambda r: bool(r.placeholders) and not r.after_placeholders.strip(".?!\"' "),
    ),
    # Marks.
    _count("questions", "more question marks", "?"),
    _count("colons", "more colons", ":"),
    _count("commas", "more commas", ",;"),
    _count("quotes", "more quotation marks", '"“”'),
    _count("single_quotes", "more single quotes", "'‘’"),
    _count("brackets", "more brackets", "()[]"),
    _count("exclamations", "more exclamation marks", "!"),
    _size("capitals", "more capital letters", lambda r: 20.0 * _capital_share(r)),
    _size("digits", "more digits", lambda r: math.log1p(sum(map(str.isdecimal, r.text)))),
    # How it opens and closes.
    _is("opens_q", "opens with “Q:”", lambda r: bool(OPENS_WITH_Q.match(r.text)), r"\A\s*Q\w*:"),
    _is(
        "opens_question",
        "opens with a question word",
        lambda r: bool(r.words) and r.words[0 if r.words[0] != "q" else -1] in QUESTION_WORDS,
    ),
    _is(
        "opens_verb",
        "opens with an instruction",
        lambda r: bool(r.words) and r.words[0] in INSTRUCTIONS,
    ),
    _is(
        "closes_answer", "closing “A:” or “Answer:”", lambda r: bool(CLOSING_ANSWER.search(r.bare))
    ),
    _is("closes_output", "closing “Output:”", lambda r: r.last_line.lower().startswith("output")),
    _is("closes_colon", "closes with a colon", lambda r: r.bare.endswith(":"), r":\s*\Z"),
    _is("closes_question", "closes with a question", lambda r: r.bare.endswith("?"), r"\?\s*\Z"),
    _is("closes_full_stop", "closes with a full stop", lambda r: r.bare.endswith("."), r"\.\s*\Z"),
    _size(
        "fields",
        "more labelled fields",
        lambda r: math.log1p(sum(1 for _ in FIELD.finditer(r.text))),
    ),
    # What it asks for.
    _phrase("steps", "asks for steps", "step by step", "step-by-step", "steps", "first,"),
    _says(
        "reasons", "asks for reasons", "explain reason reasoning why because justify logical logic"
    ),
    _says("answer", "says “answer” or “respond”", "answer answers respond response reply"),
    _says("choice", "asks for a choice", "choose select pick option options choices choice either"),
    _phrase(
        "yes_no", "asks for yes or no", "yes or no", "yes/no", '"yes"', "'yes'", "- yes", "true or"
    ),
    _phrase("one_word", "asks for one word", "one word", "single word", "one-word"),
    _says("only", "says “only” or “just”", "only just exactly solely"),
    _says("must", "says “must” or “should”", "must should always never ensure need required"),
    _says("examples", "speaks of examples", "example examples sample samples instance e.g"),
    _says("polite", "polite", "please kindly thank thanks"),
    _says("asks_ability", "asks “can you …?”", "can could would tell"),
    _says("you", "speaks to “you”", "you your yours you're"),
    _says("i", "speaks as “I” or “we”", "i me my we us our let's"),
    _says("given", "sets the scene with “given”", "given following provided below based"),
    _says("task", "names a task or goal", "task goal objective role act classify classification"),
    _says("determine", "asks to determine", "determine identify indicate decide find detect"),
    _says("write", "asks to write", "write create compose generate craft construct produce form"),
    _says("compare", "asks to compare", "compare between which than"),
    _says("input", "names its input or output", "input output placeholder placeholders"),
    _says(
        "correct", "says “correct” or “best”", "correct correctly best right accurate accurately"
    ),
    _says("negative", "says “not” or “don't”", "not no don't doesn't without isn't neither"),
)

NAMES: tuple[str, ...] = tuple(feature.name for feature in READABLE)
LABELS: tuple[str, ...] = tuple(feature.label for feature in READABLE)
STYLE = len(READABLE)
HASHED = 64
WIDTH = STYLE + HASHED


def features(text: str) -> NDArray[np.float64]:
    """Return the text's row of `WIDTH` numbers: `STYLE` readable ones, then `HASHED` projections.

    Any string will do, the empty one and lone surrogates included. Numbers are of order one. Time
    is linear in the first 16,000 characters and constant beyond.
    """
    reading = read(text)
    row = np.empty(WIDTH)
    row[:STYLE] = [feature.measure(reading) for feature in READABLE]
    row[STYLE:] = _hashed(reading.lower)
    return row


def examples(name: str, text: str, *, limit: int = 3) -> tuple[str, ...]:
    """Return up to `limit` places in `text` that show the readable feature `name`."""
    feature = READABLE[NAMES.index(name)]
    reading = read(text)
    if feature.words:
        found = [
            m.group() for m in WORD.finditer(reading.text) if m.group().lower() in feature.words
        ]
    elif feature.pattern:
        flags = re.IGNORECASE | re.MULTILINE
        found = [m.group().strip() for m in re.finditer(feature.pattern, reading.text, flags)]
    else:
        found = []
    return tuple(dict.fromkeys(found))[:limit]


def _hashed(text: str) -> NDArray[np.float64]:
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
    ones = bits.sum(axis=0, dtype=np.int64)
    signs = (2 * ones - distinct.size).astype(np.float64)
    return signs / math.sqrt(distinct.size)


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread 64 bits over 64 bits (the finaliser of splitmix64; Steele et al., OOPSLA 2014)."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
