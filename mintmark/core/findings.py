"""What one check says of one text."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Whether a check is kept: `holds` is None where it can't be decided, and `why` then says so; where it fails, `why`
    says what was found and `span` where (offsets in the text, the end excluded), if it is in one place. `work` is what
    it took beyond what its kind reckons with (units of `schema_budget.MOST_WORK`)."""

    holds: bool | None
    why: str = ""
    span: tuple[int, int] | None = None
    work: int = 0


KEPT = Finding(holds=True)


def broken(why: str, span: tuple[int, int] | None = None) -> Finding:
    """A check that fails."""
    return Finding(holds=False, why=why, span=span)


def undecided(why: str) -> Finding:
    """A check that can't be decided."""
    return Finding(holds=None, why=why)


def place(text: str, offset: int) -> str:
    """Where an offset is, as people count: line and column from 1."""
    line = text.count("\n", 0, offset) + 1
    column = offset - (text.rfind("\n", 0, offset) + 1) + 1
    return f"line {line}, column {column}"
