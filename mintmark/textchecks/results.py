"""The result of one check on one text."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """Whether a check holds: `holds` is None where it can't be decided, and `reason` then says why. For a failed check,
    `reason` says what was found and `span` where (offsets in the text, the end excluded), if it is in one place. `work`
    is the work beyond what its kind is charged for (in units of the schema budget)."""

    holds: bool | None
    reason: str = ""
    span: tuple[int, int] | None = None
    work: int = 0


PASSED = CheckResult(holds=True)


def build_failed(reason: str, span: tuple[int, int] | None = None) -> CheckResult:
    """A check that fails."""
    return CheckResult(holds=False, reason=reason, span=span)


def build_undecided(reason: str) -> CheckResult:
    """A check that can't be decided."""
    return CheckResult(holds=None, reason=reason)


def format_position(text: str, offset: int) -> str:
    """The position of an offset for people: line and column from 1."""
    line_number = text.count("\n", 0, offset) + 1
    column = offset - (text.rfind("\n", 0, offset) + 1) + 1
    return f"line {line_number}, column {column}"
