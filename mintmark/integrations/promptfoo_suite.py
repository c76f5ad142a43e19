"""The tests of promptfoo's results: each once, however often it was repeated, and in promptfoo's own order, which does
not depend on how fast they were answered."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import promptfoo_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedTest:
    """A test as a row of results states it: the row (from 0), and a key that is equal for equal tests."""

    row: int
    key: str
    test: Mapping[str, Any]


def build_test_key(raw: Mapping[str, Any]) -> str:
    """What a row's test is, as a digest of its variables, assertions, threshold and options: a repeat has the same, and
    the same suite run again has it too."""
    content = json.dumps(
        {key: value for key, value in _build_test(raw).items() if key != "description"},
        sort_keys=True,
        default=str,
    )
    return hashlib.sha256(content.encode(errors="replace")).hexdigest()


def list_tests(rows: Sequence[tuple[int, Any]]) -> list[EvaluatedTest]:
    """Each test of the rows once, by promptfoo's own number of it."""
    tests: dict[str, EvaluatedTest] = {}
    for number, raw in sorted(rows, key=lambda row: (_get_test_number(row[1]), row[0])):
        key = build_test_key(raw)
        tests.setdefault(key, EvaluatedTest(row=number, key=key, test=_build_test(raw)))
    return list(tests.values())


def _build_test(raw: Mapping[str, Any]) -> dict[str, Any]:
    case = raw.get("testCase") or raw.get("test")
    case = case if isinstance(case, Mapping) else {}
    variables = raw.get("vars") or case.get("vars") or {}
    shown_variables = {
        name: value
        for name, value in (variables.items() if isinstance(variables, Mapping) else ())
        if not str(name).startswith("_")
    }
    return {
        key: value
        for key, value in case.items()
        if key not in ("metadata", "prompts", "providers") and value not in (None, {}, [])
    } | {"vars": shown_variables, "assert": list(promptfoo_rows.list_assertions(raw))}


def _get_test_number(raw: Mapping[str, Any]) -> int:
    number = raw.get("testIdx")
    return number if isinstance(number, int) else 0
