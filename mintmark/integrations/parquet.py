"""Tables as Parquet, a row group at a time; needs the extra `mintmark[parquet]`."""

import itertools
from collections.abc import Iterator
from typing import Any

from mintmark.common import errors
from mintmark.reputation.exports import ColumnKind, ExportTable

ROW_GROUP_SIZE = 10_000
MEDIA_TYPE = "application/vnd.apache.parquet"


def iter_chunks(table: ExportTable) -> Iterator[bytes]:
    """A Parquet file in parts, as its rows are read. Raises `missing_extra` at once where pyarrow is missing."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise errors.MissingExtra(
            "Parquet takes pyarrow, which is not installed here: install Mintmark with its extra, as "
            "`mintmark[parquet]`, or take the table as CSV."
        ) from error
    return _write_chunks(table, pyarrow=pyarrow, parquet=parquet)


class _Sink:
    """A file that keeps what was written until it is taken away."""

    closed = False

    def __init__(self) -> None:
        self._pending: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pending.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits anywhere else."""

    def close(self) -> None:
        self.closed = True

    def drain(self) -> bytes:
        """What was written since the last look."""
        chunk = b"".join(self._pending)
        self._pending.clear()
        return chunk


def _write_chunks(table: ExportTable, *, pyarrow: Any, parquet: Any) -> Iterator[bytes]:
    schema = pyarrow.schema(
        [(name, _get_arrow_type(kind, pyarrow)) for name, kind in table.columns]
    )
    sink = _Sink()
    with parquet.ParquetWriter(sink, schema, compression="zstd") as writer:
        while rows := list(itertools.islice(table.rows, ROW_GROUP_SIZE)):
            columns = [
                pyarrow.array(column, type=field.type)
                for column, field in zip(zip(*rows, strict=True), schema, strict=True)
            ]
            writer.write_table(pyarrow.Table.from_arrays(columns, schema=schema))
            yield sink.drain()
    yield sink.drain()


def _get_arrow_type(kind: ColumnKind, pyarrow: Any) -> Any:
    types = {
        "integer": pyarrow.int64(),
        "number": pyarrow.float64(),
        "text": pyarrow.string(),
        "moment": pyarrow.timestamp("us", tz="UTC"),
        "flag": pyarrow.bool_(),
        "texts": pyarrow.list_(pyarrow.string()),
    }
    return types[kind]
