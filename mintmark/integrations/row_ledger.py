"""What became of each row of a source, noted as it is read and stored: each row stands at exactly one place."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from . import import_report

type Row = int | str
"""A row's number from 0, or its place where a source has several lists."""


class Fate(Enum):
    """Where a row stands. A row that was refused after all is refused, whatever was said of it before."""

    EVIDENCE = "evidence"
    PROMPT = "prompt"
    REFUSED = "refused"


@dataclass(slots=True)
class RowLedger:
    """The fate of rows, in the order in which they were first named; a text is the reason why one was left out."""

    fates: dict[Row, Fate | str] = field(default_factory=dict)

    def note(self, row: Row, fate: Fate | str) -> None:
        """Note what became of a row."""
        if self.fates.get(row) is not Fate.REFUSED:
            self.fates[row] = fate

    def copy(self) -> "RowLedger":
        """The same, to be gone on with by itself."""
        return RowLedger(dict(self.fates))

    def close(self) -> import_report.RowAccount:
        """The account of it, for a report."""
        left_out: dict[str, list[Row]] = {}
        for row, fate in self.fates.items():
            if isinstance(fate, str):
                left_out.setdefault(fate, []).append(row)
        return import_report.RowAccount(
            evidence=self._list(Fate.EVIDENCE),
            prompts=self._list(Fate.PROMPT),
            left_out=left_out,
            refused=self._list(Fate.REFUSED),
        )

    def _list(self, wanted: Fate) -> list[Row]:
        return [row for row, fate in self.fates.items() if fate is wanted]


def build_prompt_account(
    *, prompts: Iterable[Row], refused: Iterable[Row], left_out: Iterable[tuple[Row, str]] = ()
) -> import_report.RowAccount:
    """The account of a source whose rows are prompts alone; what is refused is no prompt."""
    ledger = RowLedger()
    for row in refused:
        ledger.note(row, Fate.REFUSED)
    for row in prompts:
        ledger.note(row, Fate.PROMPT)
    for row, reason in left_out:
        ledger.note(row, reason)
    return ledger.close()
