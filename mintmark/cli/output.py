"""What commands print: answers on standard output (tables, or one JSON document with `--json`),
progress and refusals on standard error."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from mintmark.common import amounts, errors

# Rich is imported where something is drawn: no `--help` waits for it (benchmarks/startup).
if TYPE_CHECKING:
    from rich.console import Console

_AS_JSON = "mintmark.as_json"
_WIDTH_IN_A_PIPE = 160
_MAX_ROWS_SHOWN = 50


def json_option[F: Callable[..., Any]](command: F) -> F:
    """The option `--json`, given to the command as `as_json`; refusals are then JSON as well."""

    def note(context: click.Context, _: click.Parameter, value: bool) -> bool:
        context.find_root().meta[_AS_JSON] = value
        return value

    option = click.option(
        "--json", "as_json", is_flag=True, callback=note, help="Print one JSON document."
    )
    return option(command)


def print_json(value: Mapping[str, Any] | Sequence[Any]) -> None:
    """One JSON document; times as ISO 8601."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def format_exact(micro: int) -> str:
    """Micro-credits as JSON states credits: a decimal in a string, exact, without separators."""
    return amounts.format_exact(micro)


def escape_unprintable(text: str) -> str:
    """A text of others for a terminal: what does not print is named, as ⟨U+001B⟩."""
    return "".join(at if at.isprintable() else f"⟨U+{ord(at):04X}⟩" for at in text)


def print_table(
    *,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    empty: str,
    right: Sequence[str] = (),
) -> None:
    """A table, or the sentence `empty` where there is nothing to show; `right` names columns of numbers."""
    if not rows:
        click.echo(empty)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if value is None else str(value)) for value in row))
    _console(sys.stdout).print(table)


def print_message(step: str, *, as_json: bool = False) -> None:
    """What is being done, in one line; beside the answer, so on standard error where that is JSON."""
    click.echo(f"· {step}", err=as_json)


def print_step(message: str) -> None:
    """A step of a longer work, on standard error, if somebody watches."""
    if sys.stderr.isatty():
        click.echo(f"  {message}", err=True)


@contextmanager
def show_progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error while the block runs, if somebody watches; call it with done, total."""
    console = _console(sys.stderr)
    if not console.is_terminal:
        yield lambda completed, total: None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
    with bar:
        task = bar.add_task(label, total=None)
        yield lambda completed, total: bar.update(task, completed=completed, total=total)


def print_refusal(refusal: errors.DomainError, *, context: click.Context) -> None:
    """A refusal and its rows: on standard error, or with `--json` as the document that was asked for."""
    if context.find_root().meta.get(_AS_JSON):
        error = {"code": refusal.code, "message": refusal.message, "rows": list(refusal.rows)}
        print_json({"error": error})
        return
    click.echo(f"Refused ({refusal.code}): {refusal.message}", err=True)
    print_rows(refusal.rows)


def print_rows(rows: Sequence[errors.FieldError]) -> None:
    """Refused rows, one line each, on standard error."""
    for row in rows[:_MAX_ROWS_SHOWN]:
        locations = [
            str(row[name]) if name != "line" else f"line {row['line']}"
            for name in ("file", "line")
            if name in row
        ] or [f"row {row['row']}"]
        field = f" {row['field']}" if row["field"] else ""
        value = f" = {row['value']!r}" if row["value"] not in (None, "") else ""
        click.echo(f"  {', '.join(locations)}:{field}{value}: {row['message']}", err=True)
    if len(rows) > _MAX_ROWS_SHOWN:
        hidden_count = len(rows) - _MAX_ROWS_SHOWN
        click.echo(f"  … and {hidden_count} more; --json lists them all.", err=True)


def _console(file: Any) -> "Console":
    from rich.console import Console

    # A pipe has no width: nothing is cut or folded for one that a reader would not want folded.
    width = None if file.isatty() else _WIDTH_IN_A_PIPE
    return Console(file=file, width=width, highlight=False)


def parse_micro(amount: str) -> int:
    """Micro-units of a currency; "0" for none."""
    return 0 if amount.strip() == "0" else amounts.to_micro(amount)
