"""promptfoo's tests as a ritual: `tests[] {vars, assert[] {type, value, threshold}}` with `defaultTest`.

Variables and the values of assertions are filled in as promptfoo fills them (`textchecks.nunjucks`), so a ritual holds
no templates. What changes what a test means and is not done here is refused with its place: files, code, providers of
a test's own, sets of assertions. What says nothing about the test (`metadata`, `options` without a transform) is left
out.
"""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mintmark.common import errors
from mintmark.rituals import definitions
from mintmark.rituals.definitions import RitualDefinition
from mintmark.textchecks import nunjucks

from . import import_report
from .promptfoo_suite import EvaluatedTest

MAX_EXPANDED_CASES = 2_000
_IGNORED_KEYS = {"metadata", "metrics", "metric", "prompts", "providers"}
_TEST_KEYS = {"description", "vars", "assert", "threshold", "options"} | _IGNORED_KEYS
_UNSUPPORTED_OPTIONS = {
    "transform",
    "postprocess",
    "transformVars",
    "rubricPrompt",
    "prefix",
    "suffix",
    "storeOutputAs",
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


def build_evaluated_definition(
    tests: Sequence[EvaluatedTest], *, file: Path, name: str, tag: str
) -> RitualDefinition:
    """The ritual that results were measured with. `UnreadableSource` names every place that can't be run here."""
    problems = _TestProblems(file)
    cases = []
    case_ids = list_case_ids(tests)
    for evaluated in tests:
        path = f"results.results.{evaluated.row}.testCase"
        test = evaluated.test
        check_keys = {key: value for key, value in test.items() if value not in (None, "")}
        _check_keys(check_keys, path, problems)
        cases.append(
            _build_case(
                case_ids[evaluated.key], test["vars"], test["assert"], test.get("threshold"),
                path=path, problems=problems,
            )
        )  # fmt: skip
    problems.raise_if_any()
    return build_definition(cases, name=name, tag=tag, file=file)


def list_case_ids(tests: Sequence[EvaluatedTest]) -> dict[str, str]:
    """The id of each test's case in the ritual that results were measured with, by the test's key."""
    return {test.key: f"test-{number}" for number, test in enumerate(tests, 1)}


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
    options = {**_get_options(default), **_get_options(test)}
    inherited = [] if options.get("disableDefaultAsserts") is True else default.get("assert")
    raw_assertions = [
        assertion
        for place, stated in (("defaultTest", inherited), (path, test.get("assert")))
        for assertion in _require_list(stated or [], f"{place}.assert", problems)
    ]
    asserts = [_resolve_reference(assertion, templates) for assertion in raw_assertions]
    threshold = test.get("threshold")
    threshold = default.get("threshold") if threshold is None else threshold
    # As promptfoo expands them: a list of texts makes a test of each, any other list is one value.
    choices = [
        value
        if isinstance(value, list)
        and value
        and isinstance(value[0], str)
        and options.get("disableVarExpansion") is not True
        else [value]
        for value in variables.values()
    ]
    description = test.get("description")
    case_name = _slugify(str(description))[:60] if description else "test"
    for n, values in enumerate(
        itertools.islice(itertools.product(*choices), MAX_EXPANDED_CASES + 1)
    ):
        yield _build_case(
            f"{case_name}-{number + 1}" + (f".{n + 1}" if n else ""),
            dict(zip(variables, values, strict=True)), asserts, threshold,
            path=path, problems=problems,
        )  # fmt: skip


def _build_case(
    id_: str,
    variables: Mapping[str, Any],
    assertions: Sequence[Any],
    threshold: Any,
    *,
    path: str,
    problems: _TestProblems,
) -> dict[str, Any]:
    """A case with its variables and assertions filled in; what can't be is among `problems`."""
    case: dict[str, Any] = {"id": id_, "vars": {}, "assert": []}
    if threshold is not None:
        case["threshold"] = threshold
    for name, value in variables.items():
        if isinstance(value, str) and value.startswith(("file://", "package:")):
            problems.refuse(f"{path}.vars.{name}", None, "Files are not read here: write it out.")
            return case
    try:
        resolved = nunjucks.resolve_variables(variables)
    except nunjucks.UnsupportedTemplate as error:
        problems.refuse(f"{path}.vars", error.excerpt, f"{error}.")
        return case
    for name, value in resolved.items():
        try:
            case["vars"][name] = nunjucks.to_output(value)
        except ValueError as error:
            problems.refuse(f"{path}.vars.{name}", None, f"A value is no object here: {error}.")
    for n, assertion in enumerate(assertions):
        try:
            case["assert"].append(_fill_assertion(assertion, resolved))
        except ValueError as error:
            problems.refuse(f"{path}.assert.{n}.value", None, f"{error}.")
    return case


def _fill_assertion(assertion: Any, variables: Mapping[str, Any]) -> Any:
    """An assertion with the templates of its value filled in: a text, or the texts of a list; nothing deeper."""
    if not isinstance(assertion, Mapping):
        return assertion
    value = assertion.get("value")
    if isinstance(value, str):
        filled: Any = _fill_text(value, variables)
    elif isinstance(value, list):
        filled = [_fill_text(item, variables) if isinstance(item, str) else item for item in value]
    else:
        return assertion
    return {**assertion, "value": filled}


def _fill_text(text: str, variables: Mapping[str, Any]) -> str:
    if not nunjucks.has_tags(text):
        return text
    if nunjucks.measure(text, variables=variables) > nunjucks.MAX_RESOLVED_CHARACTERS:
        raise ValueError("its variables filled in, it is too long")
    filled = nunjucks.render(text, variables=variables)
    if nunjucks.has_tags(filled):
        raise ValueError(f"{filled[:60]!r} would be filled in once more here")
    return filled


def _get_options(test: Mapping[str, Any]) -> Mapping[str, Any]:
    options = test.get("options")
    return options if isinstance(options, Mapping) else {}


def _resolve_reference(assertion: Any, templates: Mapping[str, Any]) -> Any:
    """An assertion, or the template that it refers to."""
    reference = assertion.get("$ref") if isinstance(assertion, Mapping) else None
    if isinstance(reference, str) and reference.startswith(_TEMPLATE_PREFIX):
        return templates.get(reference.removeprefix(_TEMPLATE_PREFIX), assertion)
    return assertion


def _check_keys(test: Mapping[str, Any], path: str, problems: _TestProblems) -> None:
    for key in sorted(test.keys() - _TEST_KEYS):
        problems.refuse(f"{path}.{key}", None, f"{key!r} changes what is tested; not read here.")
    for key in sorted(_get_options(test).keys() & _UNSUPPORTED_OPTIONS):
        problems.refuse(f"{path}.options.{key}", None, f"{key!r} changes an output; not done here.")


def _require_list(value: Any, path: str, problems: _TestProblems) -> Sequence[Any]:
    if isinstance(value, list):
        return value
    problems.refuse(path, value, "This must be a list, written in the file itself.")
    return []


def _require_mapping(value: Any, path: str, problems: _TestProblems) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    problems.refuse(path, value, "This must be a mapping, written in the file itself.")
    return {}


def _slugify(text: str) -> str:
    return re.sub(r"[^\w]+", "-", text.casefold()).strip("-")[:90] or "promptfoo"
