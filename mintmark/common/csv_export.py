"""Tables as lines of CSV, with exact values, safe to open in a spreadsheet."""

import csv
from collections.abc import Iterable, Iterator, Sequence

# A cell that opens with one of these is run as a formula by spreadsheets.
_FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r")


class _Echo:
    """A file whose `write` hands back what it was given: the writer's line is the next part of the table."""

    def write(self, line: str) -> str:
        return line


def render_csv(*, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """A heading and one line a row, each as it is asked for; None is an empty cell. Encode them as UTF-8."""
    writer = csv.writer(_Echo())
    # A byte order mark tells spreadsheets that this is UTF-8.
    yield "\ufeff"
    yield str(writer.writerow(columns))
    for row in rows:
        yield str(writer.writerow([_format_cell(value) for value in row]))


def _format_cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str) and value.startswith(_FORMULA_PREFIXES):
        return "'" + value
    return value
