"""`mintmark export evidence` and `mintmark export scores`: tables for other tools."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import installation, output

if TYPE_CHECKING:
    from mintmark.reputation.extracts import Table

type Command = Callable[..., Any]


def _of_tables(command: Command) -> Command:
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
@_of_tables
def evidence(*, reference: str | None, kind: str, file: Path | None, as_json: bool) -> None:
    """Every event of the log, oldest first, with what it was expected to be and what it moved; no text of a prompt."""
    installation.open_database()
    from mintmark.registry import prompts
    from mintmark.reputation import extracts

    prompt = prompts.named(reference=reference) if reference else None
    _write(extracts.evidence(prompt=prompt), kind=kind, file=file, as_json=as_json)


@click.command()
@_of_tables
def scores(*, reference: str | None, kind: str, file: Path | None, as_json: bool) -> None:
    """The reputation of every prompt that has evidence, with its interval, as of its last event."""
    installation.open_database()
    from mintmark.registry import prompts
    from mintmark.reputation import extracts

    prompt = prompts.named(reference=reference) if reference else None
    _write(extracts.scores(prompt=prompt), kind=kind, file=file, as_json=as_json)


def _write(table: "Table", *, kind: str, file: Path | None, as_json: bool) -> None:
    from mintmark.core import tables
    from mintmark.importers import parquet
    from mintmark.reputation import extracts

    if as_json and file is None:
        raise click.UsageError("--json says what was written: say where with -o FILE.")
    parts: Iterable[bytes]
    if kind == "parquet":
        parts = parquet.parts(table)
    else:
        columns = [name for name, _ in table.columns]
        lines = tables.lines(columns=columns, rows=extracts.plain(table.rows))
        parts = (line.encode() for line in lines)
    if file is None:
        out = sys.stdout.buffer
        if kind == "parquet" and out.isatty():
            raise click.UsageError("Parquet is not for a terminal: say where it goes with -o FILE.")
        for part in parts:
            out.write(part)
        out.flush()
        return
    try:
        _replace(file, parts)
    except OSError as failed:
        raise click.UsageError(f"{file} can't be written: {failed.strerror}.") from failed
    if as_json:
        output.print_json({"file": str(file), "format": kind, "bytes": file.stat().st_size})
        return
    output.say(f"Written: {file} ({file.stat().st_size:,} bytes).")


def _replace(file: Path, parts: Iterable[bytes]) -> None:
    """Write a file whole, or leave what was there."""
    handle, made = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as out:
            for part in parts:
                out.write(part)
        os.replace(made, file)
    except BaseException:
        Path(made).unlink(missing_ok=True)
        raise
