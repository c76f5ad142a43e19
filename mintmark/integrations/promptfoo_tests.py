"""promptfoo's tests as a ritual: `tests[] {vars, assert[] {type, value, threshold}}` with `defaultTest`.

What changes what a test means and is not done here is refused with its place: files, code, providers of a test's own,
sets of assertions. What says nothing about the test (`metadata`, `options` without a transform) is left out.
"""

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mintmark.common import errors
from mintmark.rituals import definitions
from mintmark.rituals.definitions import RitualDefinition

from . import import_report

MAX_EXPANDED_CASES = 2_000
_IGNORED_KEYS = {"metadata", "metrics", "metric"}
_TEST_KEYS = {"description", "vars", "assert", "threshold", "options"} | _IGNORED_KEYS
_UNSUPPORTED_OPTIONS = {
    "transform",
    "postprocess",
    "transformVars",
    "rubricPrompt",
    "prefix",
    "suffix",
}
_TEMPLATE_PREFIX = "#/assertionTemplates/"


class _TestProblems(list[errors.FieldError]):
    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def refuse(self, path: str, value: object, message: str) -> None:
        shown_value = value if isinstance(value, str | int | float) else None
        self.append(
            import_report.SourceFieldError(
                row=0, field=path, value=shown_value, message=message, file=self.file.name
            )
        )

    def raise_if_any(self) -> None:
        if self:
            raise import_report.build_unreadable_source(source_name=str(self.file), rows=self[:100])


def parse_definition(
    document: Any, *, file: Path, name: str = "", tag: str = ""
) -> RitualDefinition:
    """The ritual that a promptfoo file states. `UnreadableSource` names every place that is not read here.

    Its name is `name`, or the file's description, or the file's own name; its tag `tag`, or made of its name.
    """
    problems = _TestProblems(file)
    document = {"tests": document} if isinstance(document, list) else document
    if not isinstance(document, Mapping):
        problems.refuse("", None, "It is neither a list of tests nor a configuration.")
        problems.raise_if_any()
    tests = document.get("tests")
    if not isinstance(tests, list) or not tests:
        problems.refuse("tests", tests, "Tests are a list here, written in the file itself.")
        tests = []
    if document.get("scenarios"):
        problems.refuse("scenarios", None, "Scenarios are not read here: write them as tests.")
    default = _require_mapping(document.get("defaultTest") or {}, "defaultTest", problems)
    templates = _require_mapping(
        document.get("assertionTemplates") or {}, "assertionTemplates", problems
    )
    _check_keys(default, "defaultTest", problems)
    cases: list[dict[str, Any]] = []
    for n, raw in enumerate(tests):
        test = _require_mapping(raw, f"tests.{n}", problems)
        _check_keys(test, f"tests.{n}", problems)
        cases += _iter_cases(
            test, default, templates, path=f"tests.{n}", number=n, problems=problems
        )
        if len(cases) > MAX_EXPANDED_CASES:
            problems.refuse(
                f"tests.{n}",
                None,
                f"With its lists of values it has over {MAX_EXPANDED_CASES:,} tests.",
            )
            break
    problems.raise_if_any()
    return build_definition(
        cases, name=name or str(document.get("description") or file.stem), tag=tag, file=file
    )


def build_definition(
    cases: Sequence[Mapping[str, Any]], *, name: str, tag: str, file: Path
) -> RitualDefinition:
    """A ritual of these cases; what it refuses is told as the file's own places."""
    ritual_name = build_title(name)
    document = {
        "name": ritual_name,
        "tag": tag or build_task_tag(ritual_name),
        "cases": list(cases),
    }
    try:
        return definitions.build_definition(document)
    except errors.DomainError as error:
        rows = [
            import_report.SourceFieldError(
                row=row["row"],
                field=str(row["field"]),
                value=row["value"],
                message=row["message"],
                file=file.name,
            )
            for row in error.rows
        ]
        raise import_report.build_unreadable_source(source_name=str(file), rows=rows) from error


def build_title(name: str) -> str:
    """A name as a ritual may have it, of any text."""
    plain = " ".join(re.sub(r"[^\w .:/()&,'+-]", " ", name).split())[:180].strip() or "promptfoo"
    return plain if re.match(r"\w", plain) and not plain.isdigit() else f"promptfoo {plain}"


def build_task_tag(name: str) -> str:
    """The tag of a ritual that has none of its own."""
    return f"task:{_slugify(name)}"


def _iter_cases(
    test: Mapping[str, Any],
    default: Mapping[str, Any],
    templates: Mapping[str, Any],
    *,
    path: str,
    number: int,
    problems: _TestProblems,
) -> Iterator[dict[str, Any]]:
    """The cases of one test: one for each combination of the values of variables that have several."""
    test_variables = test.get("vars") or {}
    default_variables = default.get("vars") or {}
    if isinstance(test_variables, str) or isinstance(default_variables, str):
        problems.refuse(f"{path}.vars", None, "Variables are written in the file itself here.")
        return
    variables = {
        **_require_mapping(default_variables, "defaultTest.vars", problems),
        **_require_mapping(test_variables, f"{path}.vars", problems),
    }
    for name, value in variables.items():
        texts = value if isinstance(value, list) else [value]
        if any(
            isinstance(text_value, str) and text_value.startswith("file://") for text_value in texts
        ):
            problems.refuse(f"{path}.vars.{name}", None, "Files are not read here: write it out.")
        if any(isinstance(text_value, Mapping | list) for text_value in texts):
            problems.refuse(f"{path}.vars.{name}", None, "A value is a text or a number here.")
    asserts = [
        _resolve_reference(assertion, templates)
        for assertion in [*(default.get("assert") or []), *(test.get("assert") or [])]
    ]
    options = [value if isinstance(value, list) else [value] for value in variables.values()]
    for n, values in enumerate(
        itertools.islice(itertools.product(*options), MAX_EXPANDED_CASES + 1)
    ):
        description = test.get("description")
        case_name = _slugify(str(description))[:60] if description else "test"
        case = {
            "id": f"{case_name}-{number + 1}" + (f".{n + 1}" if n else ""),
            "vars": dict(zip(variables, values, strict=True)),
            "assert": asserts,
        }
        threshold = test.get("threshold", default.get("threshold"))
        yield case | ({"threshold": threshold} if threshold is not None else {})


def _resolve_reference(assertion: Any, templates: Mapping[str, Any]) -> Any:
    """An assertion, or the template that it refers to."""
    reference = assertion.get("$ref") if isinstance(assertion, Mapping) else None
    if isinstance(reference, str) and reference.startswith(_TEMPLATE_PREFIX):
        return templates.get(reference.removeprefix(_TEMPLATE_PREFIX), assertion)
    return assertion


def _check_keys(test: Mapping[str, Any], path: str, problems: _TestProblems) -> None:
    for key in sorted(test.keys() - _TEST_KEYS):
        problems.refuse(f"{path}.{key}", None, f"{key!r} changes what is tested; not read here.")
    options = test.get("options")
    for key in (
        sorted(options.keys() & _UNSUPPORTED_OPTIONS) if isinstance(options, Mapping) else []
    ):
        problems.refuse(f"{path}.options.{key}", None, f"{key!r} changes an output; not done here.")


def _require_mapping(value: Any, path: str, problems: _TestProblems) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    problems.refuse(path, value, "This must be a mapping, written in the file itself.")
    return {}


def _slugify(text: str) -> str:
    return re.sub(r"[^\w]+", "-", text.casefold()).strip("-")[:90] or "promptfoo"


def format_variables(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Variables as a case takes them: what is no text as its JSON."""
    return {
        name: value
        if isinstance(value, str | int | float | bool)
        else json.dumps(value, ensure_ascii=False, default=str)
        for name, value in variables.items()
    }
