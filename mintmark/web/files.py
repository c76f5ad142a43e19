"""Tables as CSV files, with exact values; streamed row by row."""

from collections.abc import Iterable, Sequence

from django.http import StreamingHttpResponse

from mintmark.core import tables


def table(
    *, name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]
) -> StreamingHttpResponse:
    """A CSV file to download: UTF-8, a heading, one line a row; None is an empty cell."""
    parts = tables.lines(columns=columns, rows=rows)
    response = StreamingHttpResponse(parts, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
