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

from mintmark.accounts.callers import Caller
from mintmark.common import documents, errors
from mintmark.experiments import perturbations
from mintmark.registry import rituals
from mintmark.registry.models import Ritual
from mintmark.textchecks import assertions, nunjucks
from mintmark.textchecks.assertions import Assertion

MAX_CASES = 2_000
MAX_ASSERTIONS = 100
MAX_TEXT_LENGTH = 100_000
MAX_TOTAL_ASSERTIONS = 50_000
"""The most assertions of a ritual: those of cases, and shared ones once, or once a case if a case's variables fill
them."""
MAX_PATTERN_SIZE = 200_000
"""The most that the patterns and schemas of a ritual may measure together (`assertions.get_size`); equal ones count
once."""
MAX_PROBLEMS = 100
"""The most problems of a definition that an error lists."""

DEFAULT_MAX_TOKENS = 512
_ID_PATTERN = re.compile(r"[\w][\w .:/-]{0,99}")
_VARIABLE_PATTERN = re.compile(r"[^{}:\0]{1,64}")
_KEYS = {
    "name", "tag", "description", "options", "assert", "cases", "codices", "dreamframes", "examples",
}  # fmt: skip
_CASE_KEYS = {
    "id", "description", "vars", "input", "assert", "memory", "weight", "threshold", "examples",
}  # fmt: skip
_OPTION_KEYS = {"temperature", "max_tokens"}
_FRAME_KEYS = {"temperatures", "memory_order", "input_order", "paraphrase"}

type VariableValue = str | tuple[str, ...]
"""A variable's value: a text, or a list of texts that are written one to a line and that a dreamframe may reorder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """An exchange that is sent before the question."""

    input: str
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One question. Without `input`, the prompt with its variables filled is the question; with `input`, the prompt is
    the instruction and `input` the question. `memory` names the entries of the assistant's memory to include."""

    id: str
    variables: Mapping[str, VariableValue]
    input: str
    assertions: tuple[Assertion, ...]
    memory: tuple[str, ...]
    weight: float
    threshold: float | None
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RitualDefinition:
    """A complete, validated ritual. `document` is what is stored, and what the version is computed from."""

    name: str
    tag: str
    description: str
    temperature: float
    max_tokens: int
    codices: tuple[str, ...]
    variations: perturbations.FrameVariations
    cases: tuple[Case, ...]
    document: Mapping[str, Any]

    @property
    def needs_judge(self) -> bool:
        """Whether a case has a rubric, which only a judge can decide."""
        return any(assertion.needs_judge for case in self.cases for assertion in case.assertions)


def parse_definition(text: str | bytes) -> RitualDefinition:
    """Parse a ritual from YAML or JSON. Raises `InvalidRitual`, which lists the problems found."""
    return build_definition(documents.parse_document(text))


def load_ritual(*, text: str | bytes, caller: Caller | None = None) -> Ritual:
    """Parse a ritual and register it. An unchanged ritual returns the registered one; a changed one becomes the next
    version."""
    return register_definition(parse_definition(text), caller=caller)


def register_definition(definition: RitualDefinition, *, caller: Caller | None = None) -> Ritual:
    """Register a parsed ritual."""
    return rituals.register(
        name=definition.name,
        tag=definition.tag,
        description=definition.description,
        definition=definition.document,
        caller=caller,
    )


def get_definition(ritual: Ritual) -> RitualDefinition:
    """The definition of a registered ritual. Raises an error for a ritual that was registered by name alone (by an
    import, for example): it has no cases and can't be run."""
    if not ritual.definition.get("cases"):
        raise rituals.InvalidRitual(
            f"{ritual} has no cases: it was registered by name alone, and can't be run."
        )
    return build_definition(
        {
            "name": ritual.name,
            "tag": ritual.tag,
            "description": ritual.description,
            **ritual.definition,
        }
    )


def build_definition(document: object) -> RitualDefinition:
    """Build a ritual from plain values."""
    reader = _DefinitionReader()
    if documents.is_longer(document, max_characters=documents.MAX_CHARACTERS):
        max_characters = documents.MAX_CHARACTERS
        reader.give_up(
            "",
            None,
            f"It has over {max_characters:,} characters, with what several cases share written out.",
        )
    definition = reader.read_definition(reader.read_mapping("", document, _KEYS))
    if reader.problems:
        raise reader.build_error()
    return definition


@dataclass(slots=True)
class _DefinitionReader:
    """Reads on after a problem, so that one error lists all of them. `path` says where, such as `cases.3.assert.0`."""

    problems: list[errors.FieldError] = field(default_factory=list)
    assertions_read: int = 0
    sizes: dict[tuple[str, str], int] = field(default_factory=dict)
    total_size: int = 0

    def read_definition(self, members: Mapping[str, Any]) -> RitualDefinition:
        options = self.read_mapping("options", members.get("options") or {}, _OPTION_KEYS)
        variations = self.read_variations(members.get("dreamframes") or {})
        shared = [
            # An assertion that uses a case's variables is parsed again for each case.
            raw if assertions.has_placeholders(raw) else self.read_assertion(f"assert.{n}", raw, {})
            for n, raw in enumerate(
                self.read_list("assert", members.get("assert") or [], max_items=MAX_ASSERTIONS)
            )
        ]
        examples = self.read_examples("examples", members.get("examples") or [])
        cases = [
            self.read_case(f"cases.{n}", n, raw, shared=shared, examples=examples)
            for n, raw in enumerate(
                self.read_list("cases", members.get("cases"), max_items=MAX_CASES)
            )
        ]
        if not cases:
            self.add_problem("cases", None, "A ritual has at least one case.")
        known_ids: set[str] = set()
        for n, case in enumerate(cases):
            if case.id in known_ids:
                self.add_problem(
                    f"cases.{n}.id", case.id, "This id is used twice: give each case its own."
                )
            known_ids.add(case.id)
        if cases and not any(case.weight for case in cases):
            self.add_problem("cases", None, "Give at least one case a weight above 0.")
        codices = self.read_texts(
            "codices", members.get("codices") or [], max_items=20, max_length=220
        )
        return RitualDefinition(
            name=self.read_text("name", members.get("name"), max_length=200, min_length=1),
            tag=self.read_text("tag", members.get("tag"), max_length=100, min_length=1),
            description=self.read_text(
                "description", members.get("description") or "", max_length=10_000
            ),
            temperature=self.read_number(
                "options.temperature", options.get("temperature", 0.0), maximum=2.0
            ),
            max_tokens=self.read_integer(
                "options.max_tokens",
                options.get("max_tokens", DEFAULT_MAX_TOKENS),
                minimum=1,
                maximum=32_768,
            ),
            codices=codices,
            variations=variations,
            cases=tuple(cases),
            document={
                key: members[key]
                for key in sorted(members.keys() - {"name", "tag", "description"})
                if members[key] not in (None, [], {})
            },
        )

    def read_case(
        self,
        path: str,
        number: int,
        raw: object,
        *,
        shared: Sequence[Any],
        examples: tuple[Example, ...],
    ) -> Case:
        members = self.read_mapping(path, raw, _CASE_KEYS)
        id_ = members.get("id", f"case-{number + 1}")
        if not isinstance(id_, str) or not _ID_PATTERN.fullmatch(id_):
            self.add_problem(
                f"{path}.id", id_, "An id is 1 to 100 letters, digits, spaces or . : / -"
            )
        variables = self.read_variables(f"{path}.vars", members.get("vars") or {})
        own_entries = self.read_list(
            f"{path}.assert", members.get("assert") or [], max_items=MAX_ASSERTIONS
        )
        texts = {
            name: value if isinstance(value, str) else "\n".join(value)
            for name, value in variables.items()
        }
        assertion_results = [
            self.read_assertion(f"assert.{n}", entry, texts)
            if isinstance(entry, Mapping)
            else entry
            for n, entry in enumerate(shared)
        ] + [
            self.read_assertion(f"{path}.assert.{n}", entry, texts)
            for n, entry in enumerate(own_entries)
        ]
        case_assertions = tuple(result for result in assertion_results if result is not None)
        if len(case_assertions) == len(assertion_results) and not any(
            assertion.weight for assertion in case_assertions
        ):
            self.add_problem(
                f"{path}.assert",
                None,
                "Give the case at least one assertion with a weight above 0.",
            )
        threshold = members.get("threshold")
        return Case(
            id=str(id_),
            variables=variables,
            input=self.read_text(
                f"{path}.input", members.get("input") or "", max_length=MAX_TEXT_LENGTH
            ),
            assertions=case_assertions,
            memory=self.read_texts(
                f"{path}.memory", members.get("memory") or [], max_items=50, max_length=200
            ),
            weight=self.read_number(f"{path}.weight", members.get("weight", 1.0), maximum=1_000.0),
            threshold=None
            if threshold is None
            else self.read_number(f"{path}.threshold", threshold, maximum=1.0),
            examples=self.read_examples(f"{path}.examples", members.get("examples") or [])
            or examples,
        )

    def read_assertion(
        self, path: str, raw: object, variables: Mapping[str, str]
    ) -> Assertion | None:
        self.assertions_read += 1
        if self.assertions_read > MAX_TOTAL_ASSERTIONS:
            self.give_up(
                path,
                None,
                f"The cases have over {MAX_TOTAL_ASSERTIONS:,} assertions together: make several rituals.",
            )
        try:
            parsed = assertions.parse_assertion(raw, variables=variables)
        except ValueError as error:
            kind = raw.get("type") if isinstance(raw, Mapping) else raw
            self.add_problem(path, kind, str(error))
            return None
        if parsed.kind in ("regex", "is-json"):
            self.add_size(path, parsed)
        return parsed

    def add_size(self, path: str, parsed: Assertion) -> None:
        """Add the size of a pattern or schema, unless an equal one was already counted."""
        size = assertions.get_size(parsed)
        alike = (parsed.kind, json.dumps(parsed.value, sort_keys=True))
        self.total_size += size - self.sizes.setdefault(alike, 0)
        self.sizes[alike] = size
        if self.total_size > MAX_PATTERN_SIZE:
            self.give_up(
                path, parsed.name, "The patterns and schemas of the ritual are too large together."
            )

    def read_variables(self, path: str, raw: object) -> dict[str, VariableValue]:
        values: dict[str, VariableValue] = {}
        for name, value in self.read_mapping(path, raw, None).items():
            if not _VARIABLE_PATTERN.fullmatch(name):
                self.add_problem(
                    path, name, "A variable's name is 1 to 64 characters but { } and :"
                )
            elif isinstance(value, list):
                values[name] = self.read_texts(
                    f"{path}.{name}", value, max_items=1_000, max_length=MAX_TEXT_LENGTH
                )
            else:
                values[name] = self.read_text(
                    f"{path}.{name}", _to_text(value), max_length=MAX_TEXT_LENGTH
                )
        return values

    def read_examples(self, path: str, raw: object) -> tuple[Example, ...]:
        examples = []
        for n, entry in enumerate(self.read_list(path, raw, max_items=50)):
            members = self.read_mapping(f"{path}.{n}", entry, {"input", "output"})
            fields = {
                key: self.read_text(
                    f"{path}.{n}.{key}", members.get(key), max_length=MAX_TEXT_LENGTH, min_length=1
                )
                for key in ("input", "output")
            }
            examples.append(Example(**fields))
        return tuple(examples)

    def read_variations(self, raw: object) -> perturbations.FrameVariations:
        members = self.read_mapping("dreamframes", raw, _FRAME_KEYS)
        defaults = perturbations.FrameVariations()
        temperatures = [
            self.read_number(f"dreamframes.temperatures.{n}", entry, maximum=2.0)
            for n, entry in enumerate(
                self.read_list(
                    "dreamframes.temperatures",
                    members.get("temperatures", list(defaults.temperatures)),
                    max_items=20,
                )
            )
        ]
        switches = {}
        for name in ("memory_order", "input_order", "paraphrase"):
            switch = members.get(name, True)
            if not isinstance(switch, bool):
                self.add_problem(f"dreamframes.{name}", switch, "It must be true or false.")
            switches[name] = switch is True
        return perturbations.FrameVariations(temperatures=tuple(temperatures), **switches)

    def read_mapping(self, path: str, raw: object, keys: set[str] | None) -> Mapping[str, Any]:
        if not isinstance(raw, Mapping):
            self.add_problem(path, raw, "It must be a mapping of names to values.")
            return {}
        if unknown_keys := sorted(raw.keys() - keys) if keys is not None else []:
            known = ", ".join(sorted(keys or ()))
            self.add_problem(
                path, unknown_keys[0], f"{unknown_keys[0]!r} is not a known field: use {known}."
            )
        return raw

    def read_list(self, path: str, raw: object, *, max_items: int) -> Sequence[Any]:
        if not isinstance(raw, list):
            self.add_problem(path, raw, "It must be a list.")
            return []
        if len(raw) > max_items:
            self.add_problem(
                path, len(raw), f"It has {len(raw):,} entries; at most {max_items:,} are allowed."
            )
            return []
        return raw

    def read_texts(
        self, path: str, raw: object, *, max_items: int, max_length: int
    ) -> tuple[str, ...]:
        return tuple(
            self.read_text(f"{path}.{n}", _to_text(entry), max_length=max_length, min_length=1)
            for n, entry in enumerate(self.read_list(path, raw, max_items=max_items))
        )

    def read_text(self, path: str, raw: object, *, max_length: int, min_length: int = 0) -> str:
        if not isinstance(raw, str) or not min_length <= len(raw.strip()) or len(raw) > max_length:
            expected = f"a text of {min_length or 'at most'} to {max_length:,} characters"
            expected = expected.replace("at most to", "up to")
            self.add_problem(path, raw, f"Here stands {expected}.")
            return ""
        if "\0" in raw:
            self.add_problem(path, None, "A text holds U+0000.")
        return raw

    def read_number(self, path: str, raw: object, *, maximum: float) -> float:
        if isinstance(raw, bool) or not isinstance(raw, int | float) or not 0.0 <= raw <= maximum:
            self.add_problem(path, raw, f"It must be a number from 0 to {maximum:g}.")
            return 0.0
        return float(raw)

    def read_integer(self, path: str, raw: object, *, minimum: int, maximum: int) -> int:
        if isinstance(raw, bool) or not isinstance(raw, int) or not minimum <= raw <= maximum:
            self.add_problem(path, raw, f"It must be a whole number from {minimum} to {maximum:,}.")
            return minimum
        return raw

    def give_up(self, path: str, value: object, message: str) -> NoReturn:
        """Raise the error now, and read no further."""
        self.add_problem(path, value, message)
        raise self.build_error()

    def build_error(self) -> rituals.InvalidRitual:
        """The error that lists all problems found so far."""
        first = self.problems[0]
        remaining = len(self.problems) - 1
        return rituals.InvalidRitual(
            f"{first['field'] or 'the document'}: {first['message']}"
            + (f" ({remaining} more problems follow.)" if remaining else ""),
            rows=self.problems,
        )

    def add_problem(self, path: str, value: object, message: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            row = int(match[1]) if (match := re.match(r"cases\.(\d+)", path)) else 0
            shown_value = None if isinstance(value, Mapping | list | tuple) else value
            self.problems.append(
                errors.FieldError(row=row, field=path, value=shown_value, message=message)
            )


def _to_text(value: object) -> object:
    """Numbers and booleans as promptfoo writes them (10 for 10.0), since a prompt's variables take texts."""
    return nunjucks.to_js_text(value) if isinstance(value, bool | int | float) else value
