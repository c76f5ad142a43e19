"""Clauses of a codex: validate them, and evaluate them on a prompt's text or on an output.

A clause is data: `id`, `text` (plain words), `severity` (warn, block), `applies_to` (prompt, output) and `check`, a
kind and its value (`checks`). Checking a text takes bounded work whatever the clauses are. What can't be decided within
these bounds is undecided, and undecided never counts as passed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mintmark.common import errors

from . import checks, excerpts, regex, results
from .checks import CheckedText
from .json_schema import validator, work_budget
from .results import CheckResult

SEVERITIES = ("warn", "block")
APPLIES_TO = (checks.PROMPT, checks.OUTPUT)
MAX_CLAUSES = 500
MAX_CODEX_CHARACTERS = 250_000
"""The most clauses of a codex, and the most characters that they may have as JSON; enforced by `registry.codices`."""
MAX_CODEX_SIZE = 100_000
"""The most that the patterns and schemas of a codex may measure together (`regex.Pattern.size`,
`CompiledSchema.size`)."""
MAX_ID_CHARACTERS, MAX_TEXT_CHARACTERS = 60, 1_000
MAX_CHECKED_CHARACTERS = 500_000
"""The number of characters after which a text is truncated before it is checked."""
MAX_CHECK_WORK = work_budget.MAX_WORK
MAX_WORK = 5 * MAX_CHECK_WORK
"""The most work that one check may take, and that all checks of one text may take."""
_MEMBERS = frozenset(("id", "text", "severity", "applies_to", "check"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClauseResult:
    """The result of one clause on a text. `holds` is None where it can't be decided. `reason` then says why, and for a
    failed clause what was found; `span` (offsets in the text, the end excluded) and `excerpt` (at most 80 characters,
    hidden ones made visible, secrets removed) show the place."""

    clause: str
    text: str
    severity: str
    holds: bool | None
    reason: str
    codex: str = ""
    kind: str = ""
    span: tuple[int, int] | None = None
    excerpt: str = ""

    @property
    def blocks(self) -> bool:
        """Whether it blocks use: a blocking clause that failed or could not be decided."""
        return self.severity == "block" and self.holds is not True


def evaluate_prompt_text(
    *,
    clauses: Sequence[Mapping[str, Any]],
    text: str,
    variables: Sequence[str],
    codex: str = "",
) -> list[ClauseResult]:
    """Evaluate the clauses on prompts with a prompt's text, in their order; `variables` are its placeholders."""
    checked_text = CheckedText(
        text=text[:MAX_CHECKED_CHARACTERS], target=checks.PROMPT, variables=variables
    )
    return _evaluate_clauses(
        clauses, checked_text, codex=codex, is_cut=len(text) > MAX_CHECKED_CHARACTERS
    )


def evaluate_output(
    *,
    clauses: Sequence[Mapping[str, Any]],
    text: str,
    variables: Sequence[str] | None = None,
    codex: str = "",
) -> list[ClauseResult]:
    """Evaluate the clauses on outputs with an output, in their order; `variables` are those of the prompt that it
    answers, None where they are not known."""
    checked_text = CheckedText(
        text=text[:MAX_CHECKED_CHARACTERS], target=checks.OUTPUT, variables=variables
    )
    return _evaluate_clauses(
        clauses, checked_text, codex=codex, is_cut=len(text) > MAX_CHECKED_CHARACTERS
    )


def find_problems(*, clauses: Sequence[Mapping[str, Any]]) -> list[errors.FieldError]:
    """All problems of the clauses of a codex, each with its row and field; at most 100."""
    problem_rows: list[errors.FieldError] = []
    first_rows: dict[str, int] = {}
    size = 0
    for row, clause in enumerate(clauses):
        wrong = _find_clause_problems(clause, row=row)
        name = str(clause.get("id")) if isinstance(clause, Mapping) else ""
        if not wrong and first_rows.setdefault(name, row) != row:
            message = (
                f"The id {name!r} is already used by clause {first_rows[name]}: give each its own."
            )
            wrong.append(errors.FieldError(row=row, field="id", value=name, message=message))
        if not wrong:
            size += _get_check_size(clause["check"])
            if size > MAX_CODEX_SIZE:
                message = "The patterns and schemas of the codex are too large together."
                wrong.append(
                    errors.FieldError(row=row, field="check.value", value="", message=message)
                )
        problem_rows += wrong
        if len(problem_rows) >= 100 or size > MAX_CODEX_SIZE:
            break
    return problem_rows[:100]


def _evaluate_clauses(
    clauses: Sequence[Mapping[str, Any]], checked_text: CheckedText, *, codex: str, is_cut: bool
) -> list[ClauseResult]:
    clause_results = []
    remaining_work = MAX_WORK
    for clause in clauses:
        if clause.get("applies_to") != checked_text.target:
            continue
        check = clause.get("check")
        check = check if isinstance(check, Mapping) else {}
        result, work = _run_check(check, checked_text, remaining_work=remaining_work)
        remaining_work -= work
        if is_cut:
            result = _extend_to_whole_text(result, check)
        broken_at = result.span if result.holds is False else None
        clause_results.append(
            ClauseResult(
                clause=str(clause.get("id", "")),
                text=str(clause.get("text", "")),
                severity=str(clause.get("severity", "block")),
                holds=result.holds,
                reason=result.reason,
                codex=codex,
                kind=str(check.get("kind", "")),
                span=broken_at,
                excerpt=excerpts.extract_around(checked_text.text, broken_at) if broken_at else "",
            )
        )
    return clause_results


def _run_check(
    check: Mapping[str, Any], checked_text: CheckedText, *, remaining_work: int
) -> tuple[CheckResult, int]:
    """The result of a check, and the work that it took."""
    kind, value = checks.KINDS.get(str(check.get("kind"))), check.get("value")
    if kind is None:
        shown_kind = "".join(c for c in str(check.get("kind")) if c.isalnum() or c in "-_")[:40]
        reason = f"a check of the kind {shown_kind or 'no kind'!r} can't be decided here"
        return results.build_undecided(reason), 0
    if kind.only_target not in (None, checked_text.target):
        return results.build_undecided(f"such a check is for the {kind.only_target} alone"), 0
    if fault := kind.validate(value):
        return results.build_undecided(f"the clause can't be used: {fault}"), 0
    work = kind.estimate_work(value, checked_text.text)
    if work > MAX_CHECK_WORK:
        return results.build_undecided("the text is too long for this check"), 0
    if work > remaining_work:
        return results.build_undecided(
            "the earlier clauses used up all the work that is allowed"
        ), 0
    result = kind.evaluate(value, checked_text)
    return result, work + result.work


def _extend_to_whole_text(result: CheckResult, check: Mapping[str, Any]) -> CheckResult:
    """The result for the whole text, given the result for its truncated beginning."""
    final_holds = (
        checks.KINDS[str(check.get("kind"))].final_holds if result.holds is not None else None
    )
    if result.holds is None or result.holds is final_holds:
        return result
    return results.build_undecided(
        f"the text goes on after the {MAX_CHECKED_CHARACTERS:,} characters checked"
    )


def _get_check_size(check: Mapping[str, Any]) -> int:
    if check["kind"] in ("regex", "not-regex"):
        return regex.compile_pattern(check["value"]).size
    return validator.compile_schema(check["value"]).size if check["kind"] == "json-schema" else 0


def _find_clause_problems(clause: Mapping[str, Any], *, row: int) -> list[errors.FieldError]:
    problem_rows: list[errors.FieldError] = []

    def refuse(field: str, value: object, message: str) -> None:
        problem_rows.append(errors.FieldError(row=row, field=field, value=value, message=message))

    if not isinstance(clause, Mapping):
        refuse("", clause, f"A clause is an object of {', '.join(sorted(_MEMBERS))}.")
        return problem_rows
    for field, max_characters in (("id", MAX_ID_CHARACTERS), ("text", MAX_TEXT_CHARACTERS)):
        value = clause.get(field)
        if value is None or value == "":
            refuse(field, value, f"{field} is missing.")
        elif (
            not isinstance(value, str)
            or value != value.strip()
            or not value.isprintable()
            or len(value) > max_characters
        ):
            refuse(
                field,
                value,
                f"{field} is 1 to {max_characters:,} printable characters in one line.",
            )
    for field, allowed in (("severity", SEVERITIES), ("applies_to", APPLIES_TO)):
        if clause.get(field) not in allowed:
            refuse(field, clause.get(field), f"{field} is one of {', '.join(allowed)}.")
    for field in sorted(map(str, clause.keys() - _MEMBERS)):
        refuse(field, clause.get(field), f"A clause has no {field[:60]!r}.")
    for field, value, message in _find_check_problems(clause):
        refuse(field, value, message)
    return problem_rows


def _find_check_problems(clause: Mapping[str, Any]) -> list[tuple[str, object, str]]:
    check = clause.get("check")
    if not isinstance(check, Mapping):
        return [("check", check, "check is an object of a kind and its value.")]
    if extra := sorted(map(str, check.keys() - {"kind", "value"})):
        return [(f"check.{extra[0]}", check.get(extra[0]), "A check has a kind and a value alone.")]
    kind_name = check.get("kind")
    kind = checks.KINDS.get(kind_name) if isinstance(kind_name, str) else None
    if kind is None:
        return [("check.kind", kind_name, f"kind is one of {', '.join(checks.KINDS)}.")]
    problems: list[tuple[str, object, str]] = []
    if kind.only_target is not None and clause.get("applies_to") in set(APPLIES_TO) - {
        kind.only_target
    }:
        message = f"{kind_name} applies to the {kind.only_target} alone."
        problems.append(("applies_to", clause.get("applies_to"), message))
    if fault := kind.validate(check.get("value")):
        problems.append(("check.value", check.get("value"), f"{kind_name}: {fault}"))
    return problems
