"""Placeholders of a text: `{x}`, `{{x}}` and `${x:default}`.

A placeholder has as many braces before its name as after it: in `{"a": {x}}` it is `{x}`, and the last brace is JSON's.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

MAX_FILLED_CHARACTERS = 500_000
"""The most characters of a text after its variables are filled in by others: the same as for a registered text."""

_NAME = r"[A-Za-z_][\w.-]{0,63}"
_PLACEHOLDER = re.compile(
    r"\$\{(?P<dollar>[^{}:]{1,64})(?::(?P<default>[^{}]*))?\}"
    rf"|\{{\{{\s*(?P<double>{_NAME})\s*\}}\}}|\{{\s*(?P<single>{_NAME})\s*\}}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placeholder:
    """One placeholder: the variable's name, and its span (offsets, the end excluded)."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthModel:
    """What is needed to compute the length of a text with its variables filled, without building it: its length, how
    many of its characters are placeholders of each variable, and how often it names each."""

    length: int
    placeholder_characters: Mapping[str, int]
    occurrences: Mapping[str, int]

    def predict_length(self, lengths: Mapping[str, int]) -> int:
        """The length of the text with values of these lengths."""
        return self.length + sum(
            self.occurrences[name] * length - self.placeholder_characters[name]
            for name, length in lengths.items()
            if name in self.occurrences
        )


def build_length_model(text: str) -> LengthModel:
    """The length model of a text."""
    placeholder_characters: Counter[str] = Counter()
    occurrences: Counter[str] = Counter()
    for placeholder in find_placeholders(text):
        placeholder_characters[placeholder.name] += placeholder.end - placeholder.start
        occurrences[placeholder.name] += 1
    return LengthModel(
        length=len(text), placeholder_characters=placeholder_characters, occurrences=occurrences
    )


def find_placeholders(text: str) -> list[Placeholder]:
    """Every placeholder of a text, in order."""
    return [
        Placeholder(name=_get_name(match), start=match.start(), end=match.end())
        for match in _PLACEHOLDER.finditer(text)
    ]


def list_names(text: str) -> list[str]:
    """The names of a text's placeholders, once each, in order."""
    return list(dict.fromkeys(_get_name(match) for match in _PLACEHOLDER.finditer(text)))


def get_defaults(text: str) -> dict[str, str]:
    """The default values of `${x:default}` placeholders, by name; the first of a name counts."""
    default_texts: dict[str, str] = {}
    for match in _PLACEHOLDER.finditer(text):
        if match["default"] is not None:
            default_texts.setdefault(_get_name(match), match["default"])
    return default_texts


def substitute(*, text: str, values: Mapping[str, str]) -> str:
    """A text with the placeholders that `values` names filled in; the others stay as they are.

    Inserted values are not searched for placeholders again.
    """
    return _PLACEHOLDER.sub(lambda match: values.get(_get_name(match), match[0]), text)


def _get_name(match: re.Match[str]) -> str:
    return (match["dollar"] or match["double"] or match["single"]).strip()
