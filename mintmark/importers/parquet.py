"""Tables as Parquet, a row group at a time; needs the extra `mintmark[parquet]`."""

import itertools
from collections.abc import Iterator
from typing import Any

from mintmark.core import errors
from mintmark.reputation.extracts import Kind, Table

ROWS_A_GROUP = 10_000
MEDIA_TYPE = "application/vnd.apache.parquet"


def parts(table: Table) -> Iterator[bytes]:
    """A Parquet file in parts, as its rows are read. Raises `missing_extra` at once where pyarrow is missing."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as missing:
        raise errors.MissingExtra(
            "Parquet takes pyarrow, which is not installed here: install Mintmark with its extra, as "
            "`mintmark[parquet]`, or take the table as CSV."
        ) from missing
    return _parts(table, pyarrow=pyarrow, parquet=parquet)


class _Sink:
    """A file that keeps what was written until it is taken away."""

    closed = False

    def __init__(self) -> None:
        self._waiting: list[bytes] = []

    def write(self, part: bytes) -> int:
        self._waiting.append(bytes(part))
        return len(part)

    def flush(self) -> None:
        """Nothing waits anywhere else."""

    def close(self) -> None:
        self.closed = True

    def taken(self) -> bytes:
        """What was written since the last look."""
        part = b"".join(self._waiting)
        self._waiting.clear()
        return part


def _parts(table: Table, *, pyarrow: Any, parquet: Any) -> Iterator[bytes]:
    schema = pyarrow.schema([(name, _type(kind, pyarrow)) for name, kind in table.columns])
    sink = _Sink()
    with parquet.ParquetWriter(sink, schema, compression="zstd") as writer:
        while rows := list(itertools.islice(table.rows, ROWS_A_GROUP)):
            columns = [
                pyarrow.array(column, type=field.type)
                for column, field in zip(zip(*rows, strict=True), schema, strict=True)
            ]
            writer.write_table(pyarrow.Table.from_arrays(columns, schema=schema))
            yield sink.taken()
    yield sink.taken()


def _type(kind: Kind, pyarrow: Any) -> Any:
    types = {
        "integer": pyarrow.int64(),
        "number": pyarrow.float64(),
        "text": pyarrow.string(),
        "moment": pyarrow.timestamp("us", tz="UTC"),
        "flag": pyarrow.bool_(),
        "texts": pyarrow.list_(pyarrow.string()),
    }
    return types[kind]
