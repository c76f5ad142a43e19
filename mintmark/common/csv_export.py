"""Tables as lines of CSV with exact values, safe to open in a spreadsheet."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

# Spreadsheets run a cell that starts with one of these as a formula.
_FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r")


class _Echo:
    """A file whose `write` returns its argument, so that the CSV writer yields lines."""

    def write(self, line: str) -> str:
        return line


def render_csv(
    *, columns: Sequence[str], rows: Iterable[Sequence[object]], for_spreadsheets: bool = False
) -> Iterator[str]:
    """A header line, then one line for each row, generated on demand; None is an empty cell. Encode them as UTF-8."""
    writer = csv.writer(_Echo())
    if for_spreadsheets:
        # A byte order mark tells them that this is UTF-8; other readers take it for a part of the first name.
        yield "\ufeff"
    yield str(writer.writerow(columns))
    for row in rows:
        yield str(writer.writerow([_format_cell(value) for value in row]))


def _format_cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, str) and value.startswith(_FORMULA_PREFIXES):
        return "'" + value
    return value
