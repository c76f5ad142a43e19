"""Tables as CSV files, with exact values; streamed row by row."""

from collections.abc import Iterable, Sequence

from django.http import StreamingHttpResponse

from mintmark.common import csv_export


def build_csv_response(
    *, name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]
) -> StreamingHttpResponse:
    """A CSV file to download: UTF-8, a heading, one line a row; None is an empty cell."""
    chunks = csv_export.render_csv(columns=columns, rows=rows, for_spreadsheets=True)
    response = StreamingHttpResponse(chunks, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
