"""`mintmark export evidence` and `mintmark export scores`: tables for other tools."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import bootstrap, output

if TYPE_CHECKING:
    from mintmark.reputation.exports import ExportTable

type Command = Callable[..., Any]


def _add_table_options(command: Command) -> Command:
    """The options that each of these commands has."""
    for option in reversed(
        (
            click.option("--prompt", "reference", help="Of this prompt alone. [default: of all]"),
            click.option(
                "--format", "kind", type=click.Choice(["csv", "parquet"]), default="csv",
                show_default=True, help="How the table is written.",
            ),
            click.option(
                "-o", "--output", "file", type=click.Path(path_type=Path, dir_okay=False),
                help="Where it goes. [default: standard output]",
            ),
            output.json_option,
        )
    ):  # fmt: skip
        command = option(command)
    return command


@click.command()
@_add_table_options
def evidence(*, reference: str | None, kind: str, file: Path | None, as_json: bool) -> None:
    """Every event of the log, oldest first, with what it was expected to be and what it moved; no text of a prompt."""
    bootstrap.open_database()
    from mintmark.registry import prompts
    from mintmark.reputation import exports

    prompt = prompts.resolve(reference=reference) if reference else None
    _write_table(exports.export_evidence(prompt=prompt), kind=kind, file=file, as_json=as_json)


@click.command()
@_add_table_options
def scores(*, reference: str | None, kind: str, file: Path | None, as_json: bool) -> None:
    """The reputation of every prompt that has evidence, with its interval, as of its last event."""
    bootstrap.open_database()
    from mintmark.registry import prompts
    from mintmark.reputation import exports

    prompt = prompts.resolve(reference=reference) if reference else None
    _write_table(exports.export_scores(prompt=prompt), kind=kind, file=file, as_json=as_json)


def _write_table(table: "ExportTable", *, kind: str, file: Path | None, as_json: bool) -> None:
    from mintmark.common import csv_export
    from mintmark.integrations import parquet
    from mintmark.reputation import exports

    if as_json and file is None:
        raise click.UsageError("--json says what was written: say where with -o FILE.")
    chunks: Iterable[bytes]
    if kind == "parquet":
        chunks = parquet.iter_chunks(table)
    else:
        columns = [name for name, _ in table.columns]
        csv_lines = csv_export.render_csv(columns=columns, rows=exports.format_rows(table.rows))
        chunks = (csv_line.encode() for csv_line in csv_lines)
    if file is None:
        out = sys.stdout.buffer
        if kind == "parquet" and out.isatty():
            raise click.UsageError("Parquet is not for a terminal: say where it goes with -o FILE.")
        for chunk in chunks:
            out.write(chunk)
        out.flush()
        return
    try:
        _replace_file(file, chunks)
    except OSError as failed:
        raise click.UsageError(f"{file} can't be written: {failed.strerror}.") from failed
    if as_json:
        output.print_json({"file": str(file), "format": kind, "bytes": file.stat().st_size})
        return
    output.print_message(f"Written: {file} ({file.stat().st_size:,} bytes).")


def _replace_file(file: Path, chunks: Iterable[bytes]) -> None:
    """Write a file whole, or leave what was there."""
    handle, temporary_path = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as out:
            for chunk in chunks:
                out.write(chunk)
        os.replace(temporary_path, file)
    except BaseException:
        Path(temporary_path).unlink(missing_ok=True)
        raise
