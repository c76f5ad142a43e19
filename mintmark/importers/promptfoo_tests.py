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

from mintmark.core import errors
from mintmark.rituals import definitions
from mintmark.rituals.definitions import Definition

from . import reports

MOST_EXPANDED = 2_000
_IGNORED = {"metadata", "metrics", "metric"}
_TEST = {"description", "vars", "assert", "threshold", "options"} | _IGNORED
_OPTIONS = {"transform", "postprocess", "transformVars", "rubricPrompt", "prefix", "suffix"}
_TEMPLATES = "#/assertionTemplates/"


class _Problems(list[errors.Row]):
    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def refuse(self, path: str, value: object, message: str) -> None:
        shown = value if isinstance(value, str | int | float) else None
        self.append(
            reports.Place(row=0, field=path, value=shown, message=message, file=self.file.name)
        )

    def check(self) -> None:
        if self:
            raise reports.unreadable(what=str(self.file), places=self[:100])


def definition(found: Any, *, file: Path, name: str = "", tag: str = "") -> Definition:
    """The ritual that a promptfoo file states. `UnreadableSource` names every place that is not read here.

    Its name is `name`, or the file's description, or the file's own name; its tag `tag`, or made of its name.
    """
    problems = _Problems(file)
    found = {"tests": found} if isinstance(found, list) else found
    if not isinstance(found, Mapping):
        problems.refuse("", None, "It is neither a list of tests nor a configuration.")
        problems.check()
    tests = found.get("tests")
    if not isinstance(tests, list) or not tests:
        problems.refuse("tests", tests, "Tests are a list here, written in the file itself.")
        tests = []
    if found.get("scenarios"):
        problems.refuse("scenarios", None, "Scenarios are not read here: write them as tests.")
    default = _mapping(found.get("defaultTest") or {}, "defaultTest", problems)
    templates = _mapping(found.get("assertionTemplates") or {}, "assertionTemplates", problems)
    _check_keys(default, "defaultTest", problems)
    cases: list[dict[str, Any]] = []
    for n, raw in enumerate(tests):
        test = _mapping(raw, f"tests.{n}", problems)
        _check_keys(test, f"tests.{n}", problems)
        cases += _cases(test, default, templates, path=f"tests.{n}", number=n, problems=problems)
        if len(cases) > MOST_EXPANDED:
            problems.refuse(
                f"tests.{n}", None, f"With its lists of values it has over {MOST_EXPANDED:,} tests."
            )
            break
    problems.check()
    return stated(
        cases, name=name or str(found.get("description") or file.stem), tag=tag, file=file
    )


def stated(cases: Sequence[Mapping[str, Any]], *, name: str, tag: str, file: Path) -> Definition:
    """A ritual of these cases; what it refuses is told as the file's own places."""
    called = title(name)
    document = {"name": called, "tag": tag or task(called), "cases": list(cases)}
    try:
        return definitions.checked(document)
    except errors.Refusal as refused:
        places = [
            reports.Place(
                row=row["row"],
                field=str(row["field"]),
                value=row["value"],
                message=row["message"],
                file=file.name,
            )
            for row in refused.rows
        ]
        raise reports.unreadable(what=str(file), places=places) from refused


def title(name: str) -> str:
    """A name as a ritual may have it, of any text."""
    plain = " ".join(re.sub(r"[^\w .:/()&,'+-]", " ", name).split())[:180].strip() or "promptfoo"
    return plain if re.match(r"\w", plain) and not plain.isdigit() else f"promptfoo {plain}"


def task(name: str) -> str:
    """The tag of a ritual that has none of its own."""
    return f"task:{_slug(name)}"


def _cases(
    test: Mapping[str, Any],
    default: Mapping[str, Any],
    templates: Mapping[str, Any],
    *,
    path: str,
    number: int,
    problems: _Problems,
) -> Iterator[dict[str, Any]]:
    """The cases of one test: one for each combination of the values of variables that have several."""
    own = test.get("vars") or {}
    shared = default.get("vars") or {}
    if isinstance(own, str) or isinstance(shared, str):
        problems.refuse(f"{path}.vars", None, "Variables are written in the file itself here.")
        return
    variables = {
        **_mapping(shared, "defaultTest.vars", problems),
        **_mapping(own, f"{path}.vars", problems),
    }
    for name, value in variables.items():
        texts = value if isinstance(value, list) else [value]
        if any(isinstance(one, str) and one.startswith("file://") for one in texts):
            problems.refuse(f"{path}.vars.{name}", None, "Files are not read here: write it out.")
        if any(isinstance(one, Mapping | list) for one in texts):
            problems.refuse(f"{path}.vars.{name}", None, "A value is a text or a number here.")
    asserts = [
        _resolved(one, templates)
        for one in [*(default.get("assert") or []), *(test.get("assert") or [])]
    ]
    options = [value if isinstance(value, list) else [value] for value in variables.values()]
    for n, values in enumerate(itertools.islice(itertools.product(*options), MOST_EXPANDED + 1)):
        said = test.get("description")
        called = _slug(str(said))[:60] if said else "test"
        case = {
            "id": f"{called}-{number + 1}" + (f".{n + 1}" if n else ""),
            "vars": dict(zip(variables, values, strict=True)),
            "assert": asserts,
        }
        threshold = test.get("threshold", default.get("threshold"))
        yield case | ({"threshold": threshold} if threshold is not None else {})


def _resolved(one: Any, templates: Mapping[str, Any]) -> Any:
    """An assertion, or the template that it refers to."""
    reference = one.get("$ref") if isinstance(one, Mapping) else None
    if isinstance(reference, str) and reference.startswith(_TEMPLATES):
        return templates.get(reference.removeprefix(_TEMPLATES), one)
    return one


def _check_keys(test: Mapping[str, Any], path: str, problems: _Problems) -> None:
    for key in sorted(test.keys() - _TEST):
        problems.refuse(f"{path}.{key}", None, f"{key!r} changes what is tested; not read here.")
    options = test.get("options")
    for key in sorted(options.keys() & _OPTIONS) if isinstance(options, Mapping) else []:
        problems.refuse(f"{path}.options.{key}", None, f"{key!r} changes an output; not done here.")


def _mapping(found: Any, path: str, problems: _Problems) -> Mapping[str, Any]:
    if isinstance(found, Mapping):
        return found
    problems.refuse(path, found, "Here stands a mapping, written in the file itself.")
    return {}


def _slug(text: str) -> str:
    return re.sub(r"[^\w]+", "-", text.casefold()).strip("-")[:90] or "promptfoo"


def plain(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Variables as a case takes them: what is no text as its JSON."""
    return {
        name: value
        if isinstance(value, str | int | float | bool)
        else json.dumps(value, ensure_ascii=False, default=str)
        for name, value in variables.items()
    }
