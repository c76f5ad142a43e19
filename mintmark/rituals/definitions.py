"""What a ritual asks and how it judges: read from YAML or JSON, checked whole, kept as plain JSON.

name: triage-cases
tag: task:triage
options: {temperature: 0, max_tokens: 256}
assert: [{type: latency, threshold: 5000}]       # every case has these as well
cases:
  - id: outage
    vars: {ticket: The whole site is down.}
    assert: [{type: icontains, value: urgent}]
    memory: [house-style]
    weight: 2
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from mintmark.core import assertions, errors, perturbations
from mintmark.core.assertions import Assertion
from mintmark.registry import rituals
from mintmark.registry.models import Ritual

from . import documents

MOST_CASES = 2_000
MOST_ASSERTIONS = 100
MOST_TEXT = 100_000
MOST_READ = 50_000
"""Assertions that are read: those of cases, and shared ones once, or for each case if they are filled from it."""
LARGEST = 200_000
"""How large the patterns and schemas of a ritual may be together (`assertions.size`), those that are alike once."""
MOST_PROBLEMS = 100
"""How many places of a definition that are wrong are named."""

DEFAULT_MAX_TOKENS = 512
_ID = re.compile(r"[\w][\w .:/-]{0,99}")
_VARIABLE = re.compile(r"[^{}:\0]{1,64}")
_KEYS = {
    "name", "tag", "description", "options", "assert", "cases", "codices", "dreamframes", "examples",
}  # fmt: skip
_CASE_KEYS = {
    "id", "description", "vars", "input", "assert", "memory", "weight", "threshold", "examples",
}  # fmt: skip
_OPTION_KEYS = {"temperature", "max_tokens"}
_FRAME_KEYS = {"temperatures", "memory_order", "input_order", "paraphrase"}

type Value = str | tuple[str, ...]
"""What fills a variable: a text, or texts that stand one a line, whose order a dreamframe may change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """An exchange that is shown before the question."""

    input: str
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One question. Without `input` the prompt, its variables filled, is what is asked; with it the prompt is the
    instruction under which `input` is asked. `memory` names what of the assistant's memory it is to use."""

    id: str
    variables: Mapping[str, Value]
    input: str
    assertions: tuple[Assertion, ...]
    memory: tuple[str, ...]
    weight: float
    threshold: float | None
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A whole ritual, checked. `document` is what is kept of it, and what its version stands for."""

    name: str
    tag: str
    description: str
    temperature: float
    max_tokens: int
    codices: tuple[str, ...]
    varied: perturbations.Varied
    cases: tuple[Case, ...]
    document: Mapping[str, Any]

    @property
    def needs_judge(self) -> bool:
        """Whether a case has a rubric, which only a judge decides."""
        return any(one.needs_judge for case in self.cases for one in case.assertions)


def read(text: str | bytes) -> Definition:
    """The ritual that a file of YAML or JSON states. `InvalidRitual` names every place that is wrong."""
    return checked(documents.read(text))


def load(*, text: str | bytes) -> Ritual:
    """Read a ritual and register it; the same again returns what is there, a changed one is the next version."""
    return register(read(text))


def register(definition: Definition) -> Ritual:
    """Register a ritual that was read."""
    return rituals.register(
        name=definition.name,
        tag=definition.tag,
        description=definition.description,
        definition=definition.document,
    )


def of(ritual: Ritual) -> Definition:
    """What a registered ritual asks. One that was only named, as an import does, has no cases and can't be run."""
    if not ritual.definition.get("cases"):
        raise rituals.InvalidRitual(
            f"{ritual} has no cases: it was registered by name alone, and can't be run."
        )
    return checked(
        {
            "name": ritual.name,
            "tag": ritual.tag,
            "description": ritual.description,
            **ritual.definition,
        }
    )


def checked(document: object) -> Definition:
    """The ritual that plain values state."""
    reader = _Reader()
    if documents.is_longer(document, most=documents.MAX_CHARACTERS):
        most = documents.MAX_CHARACTERS
        reader.give_up(
            "", None, f"It has over {most:,} characters, with what several cases share written out."
        )
    made = reader.definition(reader.mapping("", document, _KEYS))
    if reader.problems:
        raise reader.refusal()
    return made


@dataclass(slots=True)
class _Reader:
    """Reads on after what is wrong, so that all of it is told at once. `path` says where: `cases.3.assert.0`."""

    problems: list[errors.Row] = field(default_factory=list)
    read: int = 0
    sizes: dict[tuple[str, str], int] = field(default_factory=dict)
    size: int = 0

    def definition(self, found: Mapping[str, Any]) -> Definition:
        options = self.mapping("options", found.get("options") or {}, _OPTION_KEYS)
        varied = self.varied(found.get("dreamframes") or {})
        shared = [
            # What each case fills is read for each case.
            raw if assertions.is_filled(raw) else self.assertion(f"assert.{n}", raw, {})
            for n, raw in enumerate(
                self.list_("assert", found.get("assert") or [], most=MOST_ASSERTIONS)
            )
        ]
        examples = self.examples("examples", found.get("examples") or [])
        cases = [
            self.case(f"cases.{n}", n, raw, shared=shared, examples=examples)
            for n, raw in enumerate(self.list_("cases", found.get("cases"), most=MOST_CASES))
        ]
        if not cases:
            self.refuse("cases", None, "A ritual has at least one case.")
        seen: set[str] = set()
        for n, case in enumerate(cases):
            if case.id in seen:
                self.refuse(f"cases.{n}.id", case.id, "This id stands twice.")
            seen.add(case.id)
        if cases and not any(case.weight for case in cases):
            self.refuse("cases", None, "At least one case has to weigh something.")
        codices = self.texts("codices", found.get("codices") or [], most=20, longest=220)
        return Definition(
            name=self.text("name", found.get("name"), longest=200, least=1),
            tag=self.text("tag", found.get("tag"), longest=100, least=1),
            description=self.text("description", found.get("description") or "", longest=10_000),
            temperature=self.number(
                "options.temperature", options.get("temperature", 0.0), most=2.0
            ),
            max_tokens=self.whole(
                "options.max_tokens",
                options.get("max_tokens", DEFAULT_MAX_TOKENS),
                least=1,
                most=32_768,
            ),
            codices=codices,
            varied=varied,
            cases=tuple(cases),
            document={
                key: found[key]
                for key in sorted(found.keys() - {"name", "tag", "description"})
                if found[key] not in (None, [], {})
            },
        )

    def case(
        self,
        path: str,
        number: int,
        raw: object,
        *,
        shared: Sequence[Any],
        examples: tuple[Example, ...],
    ) -> Case:
        found = self.mapping(path, raw, _CASE_KEYS)
        id_ = found.get("id", f"case-{number + 1}")
        if not isinstance(id_, str) or not _ID.fullmatch(id_):
            self.refuse(f"{path}.id", id_, "An id is 1 to 100 letters, digits, spaces or . : / -")
        variables = self.variables(f"{path}.vars", found.get("vars") or {})
        own = self.list_(f"{path}.assert", found.get("assert") or [], most=MOST_ASSERTIONS)
        texts = {
            name: value if isinstance(value, str) else "\n".join(value)
            for name, value in variables.items()
        }
        asserted = [
            self.assertion(f"assert.{n}", one, texts) if isinstance(one, Mapping) else one
            for n, one in enumerate(shared)
        ] + [self.assertion(f"{path}.assert.{n}", one, texts) for n, one in enumerate(own)]
        made = tuple(one for one in asserted if one is not None)
        if len(made) == len(asserted) and not any(one.weight for one in made):
            self.refuse(
                f"{path}.assert", None, "A case has at least one assertion that weighs something."
            )
        threshold = found.get("threshold")
        return Case(
            id=str(id_),
            variables=variables,
            input=self.text(f"{path}.input", found.get("input") or "", longest=MOST_TEXT),
            assertions=made,
            memory=self.texts(f"{path}.memory", found.get("memory") or [], most=50, longest=200),
            weight=self.number(f"{path}.weight", found.get("weight", 1.0), most=1_000.0),
            threshold=None
            if threshold is None
            else self.number(f"{path}.threshold", threshold, most=1.0),
            examples=self.examples(f"{path}.examples", found.get("examples") or []) or examples,
        )

    def assertion(self, path: str, raw: object, variables: Mapping[str, str]) -> Assertion | None:
        self.read += 1
        if self.read > MOST_READ:
            self.give_up(
                path,
                None,
                f"The cases have over {MOST_READ:,} assertions together: make several rituals.",
            )
        try:
            made = assertions.read(raw, variables=variables)
        except ValueError as wrong:
            kind = raw.get("type") if isinstance(raw, Mapping) else raw
            self.refuse(path, kind, str(wrong))
            return None
        if made.kind in ("regex", "is-json"):
            self.weigh(path, made)
        return made

    def weigh(self, path: str, made: Assertion) -> None:
        """Count a pattern or a schema, unless one like it is counted."""
        size = assertions.size(made)
        alike = (made.kind, json.dumps(made.value, sort_keys=True))
        self.size += size - self.sizes.setdefault(alike, 0)
        self.sizes[alike] = size
        if self.size > LARGEST:
            self.give_up(
                path, made.name, "The patterns and schemas of the ritual are too large together."
            )

    def variables(self, path: str, raw: object) -> dict[str, Value]:
        made: dict[str, Value] = {}
        for name, value in self.mapping(path, raw, None).items():
            if not _VARIABLE.fullmatch(name):
                self.refuse(path, name, "A variable's name is 1 to 64 characters but { } and :")
            elif isinstance(value, list):
                made[name] = self.texts(f"{path}.{name}", value, most=1_000, longest=MOST_TEXT)
            else:
                made[name] = self.text(f"{path}.{name}", _plain(value), longest=MOST_TEXT)
        return made

    def examples(self, path: str, raw: object) -> tuple[Example, ...]:
        made = []
        for n, one in enumerate(self.list_(path, raw, most=50)):
            found = self.mapping(f"{path}.{n}", one, {"input", "output"})
            parts = {
                key: self.text(f"{path}.{n}.{key}", found.get(key), longest=MOST_TEXT, least=1)
                for key in ("input", "output")
            }
            made.append(Example(**parts))
        return tuple(made)

    def varied(self, raw: object) -> perturbations.Varied:
        found = self.mapping("dreamframes", raw, _FRAME_KEYS)
        usual = perturbations.Varied()
        temperatures = [
            self.number(f"dreamframes.temperatures.{n}", one, most=2.0)
            for n, one in enumerate(
                self.list_(
                    "dreamframes.temperatures",
                    found.get("temperatures", list(usual.temperatures)),
                    most=20,
                )
            )
        ]
        switches = {}
        for name in ("memory_order", "input_order", "paraphrase"):
            switch = found.get(name, True)
            if not isinstance(switch, bool):
                self.refuse(f"dreamframes.{name}", switch, "It is true or false.")
            switches[name] = switch is True
        return perturbations.Varied(temperatures=tuple(temperatures), **switches)

    def mapping(self, path: str, raw: object, keys: set[str] | None) -> Mapping[str, Any]:
        if not isinstance(raw, Mapping):
            self.refuse(path, raw, "Here stands a mapping of names to values.")
            return {}
        if others := sorted(raw.keys() - keys) if keys is not None else []:
            known = ", ".join(sorted(keys or ()))
            self.refuse(path, others[0], f"{others[0]!r} is not read here; what is: {known}.")
        return raw

    def list_(self, path: str, raw: object, *, most: int) -> Sequence[Any]:
        if not isinstance(raw, list):
            self.refuse(path, raw, "Here stands a list.")
            return []
        if len(raw) > most:
            self.refuse(path, len(raw), f"It has {len(raw):,} entries; at most {most:,} are read.")
            return []
        return raw

    def texts(self, path: str, raw: object, *, most: int, longest: int) -> tuple[str, ...]:
        return tuple(
            self.text(f"{path}.{n}", _plain(one), longest=longest, least=1)
            for n, one in enumerate(self.list_(path, raw, most=most))
        )

    def text(self, path: str, raw: object, *, longest: int, least: int = 0) -> str:
        if not isinstance(raw, str) or not least <= len(raw.strip()) or len(raw) > longest:
            what = f"a text of {least or 'at most'} to {longest:,} characters"
            what = what.replace("at most to", "up to")
            self.refuse(path, raw, f"Here stands {what}.")
            return ""
        if "\0" in raw:
            self.refuse(path, None, "A text holds U+0000.")
        return raw

    def number(self, path: str, raw: object, *, most: float) -> float:
        if isinstance(raw, bool) or not isinstance(raw, int | float) or not 0.0 <= raw <= most:
            self.refuse(path, raw, f"Here stands a number from 0 to {most:g}.")
            return 0.0
        return float(raw)

    def whole(self, path: str, raw: object, *, least: int, most: int) -> int:
        if isinstance(raw, bool) or not isinstance(raw, int) or not least <= raw <= most:
            self.refuse(path, raw, f"Here stands a whole number from {least} to {most:,}.")
            return least
        return raw

    def give_up(self, path: str, value: object, message: str) -> NoReturn:
        """Refuse, and read no further."""
        self.refuse(path, value, message)
        raise self.refusal()

    def refusal(self) -> rituals.InvalidRitual:
        """Everything that is wrong so far."""
        first = self.problems[0]
        more = len(self.problems) - 1
        return rituals.InvalidRitual(
            f"{first['field'] or 'the document'}: {first['message']}"
            + (f" ({more} more problems follow.)" if more else ""),
            rows=self.problems,
        )

    def refuse(self, path: str, value: object, message: str) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            row = int(match[1]) if (match := re.match(r"cases\.(\d+)", path)) else 0
            shown = None if isinstance(value, Mapping | list | tuple) else value
            self.problems.append(errors.Row(row=row, field=path, value=shown, message=message))


def _plain(value: object) -> object:
    """Numbers and truth values as they are written, since a prompt takes texts."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value
