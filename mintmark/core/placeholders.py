"""Placeholders of a text: `{x}`, `{{x}}` and `${x:default}`."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

MOST_FILLED = 500_000
"""Characters that a text has at most once its variables are filled in by others: as many as one that is registered."""

_PLACEHOLDER = re.compile(
    r"\$\{([^{}:]{1,64})(?::([^{}]*))?\}|\{\{?\s*([A-Za-z_][\w.-]{0,63})\s*\}?\}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placeholder:
    """One place to be filled in: the variable's name, and where it stands (offsets, the end excluded)."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What it takes to say how long a text is once it is filled in, without building it: its length, how many of its
    characters are placeholders of each variable, and how often it names each."""

    length: int
    stood: Mapping[str, int]
    often: Mapping[str, int]

    def filled(self, lengths: Mapping[str, int]) -> int:
        """How long the text is with values of these lengths; a short one that is named often is a great many."""
        return self.length + sum(
            self.often[name] * length - self.stood[name]
            for name, length in lengths.items()
            if name in self.often
        )


def measured(text: str) -> Measure:
    """The measure of a text."""
    stood: Counter[str] = Counter()
    often: Counter[str] = Counter()
    for one in standing(text):
        stood[one.name] += one.end - one.start
        often[one.name] += 1
    return Measure(length=len(text), stood=stood, often=often)


def standing(text: str) -> list[Placeholder]:
    """Every placeholder of a text, in order."""
    return [
        Placeholder(name=_name(match), start=match.start(), end=match.end())
        for match in _PLACEHOLDER.finditer(text)
    ]


def names(text: str) -> list[str]:
    """The names of a text's placeholders, once each, in order."""
    return list(dict.fromkeys(_name(match) for match in _PLACEHOLDER.finditer(text)))


def defaults(text: str) -> dict[str, str]:
    """What `${x:default}` brings along for when nobody fills it in, by name; the first of a name counts."""
    found: dict[str, str] = {}
    for match in _PLACEHOLDER.finditer(text):
        if match[2] is not None:
            found.setdefault(_name(match), match[2])
    return found


def filled(*, text: str, values: Mapping[str, str]) -> str:
    """A text with the placeholders that `values` names filled in; the others stand as they are.

    What is filled in is not read for placeholders again.
    """
    return _PLACEHOLDER.sub(lambda match: values.get(_name(match), match[0]), text)


def _name(match: re.Match[str]) -> str:
    return (match[1] or match[3]).strip()
