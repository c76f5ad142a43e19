"""What one check says of one text."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """Whether a check is kept: `holds` is None where it can't be decided, and `why` then says so; where it fails, `why`
    says what was found and `span` where (offsets in the text, the end excluded), if it is in one place. `work` is what
    it took beyond what its kind reckons with (units of `schema_budget.MOST_WORK`)."""

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
    """Where an offset is, as people count: line and column from 1."""
    line_number = text.count("\n", 0, offset) + 1
    column = offset - (text.rfind("\n", 0, offset) + 1) + 1
    return f"line {line_number}, column {column}"
