"""What the numbers of other tools' evaluators mean: a table by tool, major version and name, shipped as data.

A name that is not in the table means nothing here until somebody says what it does. A name that is in it without a
scale is known to be no measure of goodness on any fixed scale: a cost, a count, a class, a judge whose criterion only
its author knows.
"""

import csv
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from . import errors

ANY_TOOL = "any"
"""Under this tool stand names that are a verdict themselves, wherever they are found: of booleans only."""


class InvalidScoreMapping(errors.DomainError):
    """What somebody says of a score's name can't be read."""

    code = "invalid_score_mapping"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreScale:
    """How a score becomes 0 (worst) to 1 (best): by the ends of its scale, in either direction, or by its words.

    Both ends are None where there is no scale of numbers. Without either, a score is no evidence.
    """

    worst: float | None = None
    best: float | None = None
    categories: Mapping[str, float] = field(default_factory=dict)
    source: str = ""

    @property
    def is_evidence(self) -> bool:
        return self.worst is not None or bool(self.categories)

    def normalise(self, value: object) -> float | None:
        """A value as 0 to 1; None where it is not on the scale."""
        if isinstance(value, str | bool):
            words = [str(value).strip().casefold()]
            if isinstance(value, bool):
                words += ["yes" if value else "no"]
            by_word = {word.casefold(): score for word, score in self.categories.items()}
            score = next((by_word[word] for word in words if word in by_word), None)
            if score is not None or not isinstance(value, bool):
                return score
            return self.normalise(int(value)) if {self.worst, self.best} == {0.0, 1.0} else None
        if self.worst is None or self.best is None or not isinstance(value, int | float):
            return None
        low, high = sorted((self.worst, self.best))
        if not low <= value <= high:
            return None
        # Both directions from the low end, so that an end of the scale is 0 or 1 exactly.
        share = (value - low) / (high - low)
        return share if self.worst < self.best else 1 - share


def find_scale(*, tool: str, name: str, major: int | None = None) -> ScoreScale | None:
    """What the table says of a name. Settings in brackets behind a name (`rouge_score(mode=recall)`) are left out.

    None where the name is not in the table, or where versions differ and `major` does not say which.
    """
    by_major = _load_table().get((tool, name)) or _load_table().get((tool, name.split("(")[0]))
    if by_major is None:
        return None
    if len(by_major) == 1 and major is None:
        return next(iter(by_major.values()))
    return by_major.get(str(major), by_major.get(""))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreMapping:
    """What somebody says of names; it goes before the table."""

    scales: Mapping[str, ScoreScale] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()

    def find_scale(self, *, tool: str, name: str, is_boolean: bool = False) -> ScoreScale | None:
        """The scale of a name, from here or from the table; None where nobody says."""
        if name in self.scales:
            return self.scales[name]
        scale = find_scale(tool=tool, name=name)
        if scale is None and is_boolean:
            return find_scale(tool=ANY_TOOL, name=name)
        return scale


NO_MAPPING = ScoreMapping()


def parse_mapping(*, scores: Iterable[str] = (), ignored: Iterable[str] = ()) -> ScoreMapping:
    """From `NAME=WORST..BEST` or `NAME=WORD:SCORE,WORD:SCORE` (scores 0 to 1). Raises `InvalidScoreMapping`."""
    scales: dict[str, ScoreScale] = {}
    for text in scores:
        name, separator, meaning = text.rpartition("=")
        if not separator or not name:
            raise _build_error(text, "it is NAME=WORST..BEST or NAME=WORD:SCORE,WORD:SCORE")
        if name in scales:
            raise _build_error(text, f"the name {name!r} stands twice")
        scales[name] = (
            _parse_ends(text, meaning) if ".." in meaning else _parse_words(text, meaning)
        )
    ignored_names = frozenset(ignored)
    if both := sorted(ignored_names & scales.keys()):
        raise _build_error(both[0], "it can't be a score and be ignored")
    return ScoreMapping(scales=scales, ignored=ignored_names)


def _parse_ends(text: str, meaning: str) -> ScoreScale:
    worst_text, _, best_text = meaning.partition("..")
    try:
        worst, best = float(worst_text), float(best_text)
    except ValueError:
        raise _build_error(text, "the ends of a scale are two numbers, as 1..5") from None
    if not math.isfinite(best - worst) or worst == best:
        raise _build_error(text, "the ends of a scale are two different numbers")
    return ScoreScale(worst=worst, best=best, source="said at the import")


def _parse_words(text: str, meaning: str) -> ScoreScale:
    categories: dict[str, float] = {}
    for entry in meaning.split(","):
        word, _, score_text = entry.rpartition(":")
        try:
            score = float(score_text)
        except ValueError:
            score = math.nan
        if not word.strip() or not 0 <= score <= 1:
            raise _build_error(
                text, f"{entry!r} is not a word and its score from 0 to 1, as good:1"
            )
        if word.strip().casefold() in (known.casefold() for known in categories):
            raise _build_error(text, f"the word {word.strip()!r} stands twice")
        categories[word.strip()] = score
    return ScoreScale(categories=categories, source="said at the import")


def _build_error(text: str, message: str) -> InvalidScoreMapping:
    return InvalidScoreMapping(f"The meaning of a score, {text!r}: {message}.")


@cache
def _load_table() -> Mapping[tuple[str, str], Mapping[str, ScoreScale]]:
    text = resources.files(__package__).joinpath("score_names.tsv").read_text(encoding="utf-8")
    table: dict[tuple[str, str], dict[str, ScoreScale]] = {}
    for row in csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE):
        pairs = (entry.rpartition("=") for entry in row["categories"].split(",") if entry)
        by_major = table.setdefault((row["tool"], row["name"]), {})
        by_major[row["major"]] = ScoreScale(
            worst=float(row["worst"]) if row["worst"] else None,
            best=float(row["best"]) if row["best"] else None,
            categories={word: float(score) for word, _, score in pairs},
            source=row["source"],
        )
    return table
