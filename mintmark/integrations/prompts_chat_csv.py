"""The file of prompts.chat, read and checked without a database: columns act, prompt, for_devs,
type.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mintmark.common import errors
from mintmark.textchecks import hidden_characters

from . import import_report

REQUIRED_COLUMNS = ("act", "prompt")
"""What a file must have; `for_devs` and `type` become tags, and other columns are named in the
notes.
"""

TAG_COLUMNS = ("for_devs", "type")
MAX_FILE_BYTES = 256 * 2**20
MAX_TITLE_CHARACTERS = 200
_MAX_SLUG_LENGTH = 180
_TRUTH = {"true": True, "false": False, "1": True, "0": False, "": False}
_TYPE = re.compile(r"[A-Za-z][\w-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableEntry:
    """One row: `row` counts from 0 without the heading, `line` from 1 as an editor does."""

    row: int
    line: int
    title: str
    text: str
    tags: tuple[str, ...]

    @property
    def slug(self) -> str:
        """The title as a name: lower case, accents dropped, words joined by hyphens, cut at 180
        characters.
        """
        plain = unicodedata.normalize("NFKD", self.title.casefold())
        without_accents = "".join(c for c in plain if unicodedata.category(c) != "Mn")
        joined = re.sub(r"[\W_]+", "-", unicodedata.normalize("NFKC", without_accents))
        return joined.strip("-")[:_MAX_SLUG_LENGTH].rstrip("-")


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptTable:
    """The rows of a file that can be prompts, those that cannot, and the columns that are dropped.

    `is_public_list`: it has all columns of prompts.chat's list; somebody's own table of prompts has not.
    """

    name: str
    entries: Sequence[TableEntry]
    refused: Sequence[errors.FieldError]
    other_columns: Sequence[str]
    is_public_list: bool = False

    @property
    def rows(self) -> int:
        return len(self.entries) + len({row["row"] for row in self.refused})

    def build_refused_row(
        self, *, entry: TableEntry, field: str, value: object, message: str
    ) -> errors.FieldError:
        """A refused row of this file."""
        return _build_row(self.name, entry.row, entry.line, field, value, message)


def load_table(*, file: Path) -> PromptTable:
    """Every row of a file. A row that is no prompt is refused by itself; a broken file as a whole.

    Raises `UnreadableSource`: no such file, not UTF-8, no CSV, columns missing, a row with too few
    or too many fields.
    """
    text = _read_text(file)
    entries: list[TableEntry] = []
    refused_rows: list[errors.FieldError] = []
    # The largest prompt of the list is larger than the reader's default allows.
    default_limit = csv.field_size_limit(MAX_FILE_BYTES)
    try:
        rows = _iter_rows(text, file=file)
        heading = next(rows, (0, []))[1]
        _check_heading(heading, file=file)
        for row, (line, fields) in enumerate(rows):
            if len(fields) != len(heading):
                raise _build_error(
                    file, line=line,
                    message=f"{len(fields)} fields where the heading has {len(heading)}; is a "
                    f"quote missing?",
                )  # fmt: skip
            values_by_column = dict(zip(heading, fields, strict=True))
            problems = list(_find_problems(values_by_column, file=file.name, row=row, line=line))
            refused_rows += problems
            if not problems:
                entries.append(_build_entry(values_by_column, row=row, line=line))
    finally:
        csv.field_size_limit(default_limit)
    if not entries and not refused_rows:
        raise _build_error(file, line=1, message="The file has a heading and no row.")
    return PromptTable(
        name=file.name,
        entries=entries,
        refused=refused_rows,
        is_public_list={*REQUIRED_COLUMNS, *TAG_COLUMNS} <= {*heading},
        other_columns=[name for name in heading if name not in (*REQUIRED_COLUMNS, *TAG_COLUMNS)],
    )


def _read_text(file: Path) -> str:
    try:
        size = file.stat().st_size
        if size > MAX_FILE_BYTES:
            raise _build_error(
                file, message=f"It has {size:,} bytes; at most {MAX_FILE_BYTES:,} are read."
            )
        raw = file.read_bytes()
    except OSError as error:
        raise _build_error(file, message=f"It can't be read: {error.strerror}.") from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _build_error(
            file,
            line=raw.count(b"\n", 0, error.start) + 1,
            message=f"It is not UTF-8: byte {error.start} is {error.reason}. Save it as UTF-8.",
        ) from error


def _iter_rows(text: str, *, file: Path) -> Iterator[tuple[int, list[str]]]:
    """Each row that has a field, with the line that it starts in."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    start = 1
    try:
        for fields in reader:
            if fields:
                yield start, fields
            start = reader.line_num + 1
    except csv.Error as error:
        raise _build_error(
            file, line=start, message=f"The row that starts here is not valid CSV: {error}."
        ) from error


def _check_heading(heading: list[str], *, file: Path) -> None:
    missing = [name for name in REQUIRED_COLUMNS if name not in heading]
    if missing or len(set(heading)) < len(heading):
        problem = f"lacks {', '.join(missing)}" if missing else "names a column twice"
        columns = ", ".join(heading)[:200] or "nothing"
        raise _build_error(
            file, line=1,
            message=f"The heading {problem}; it must name {', '.join((*REQUIRED_COLUMNS, *TAG_COLUMNS))}, and it "
            f"is: {columns}.",
        )  # fmt: skip


def _build_entry(values_by_column: dict[str, str], *, row: int, line: int) -> TableEntry:
    kind = values_by_column.get("type", "").strip().lower()
    tags = [f"type:{kind}"] if kind else []
    if _TRUTH[values_by_column.get("for_devs", "").strip().lower()]:
        tags.append("audience:developers")
    return TableEntry(
        row=row,
        line=line,
        title=values_by_column["act"].strip(),
        text=values_by_column["prompt"],
        tags=tuple(tags),
    )


def _find_problems(
    values_by_column: dict[str, str], *, file: str, row: int, line: int
) -> Iterator[errors.FieldError]:
    title, text = values_by_column["act"].strip(), values_by_column["prompt"]
    if not title or len(title) > MAX_TITLE_CHARACTERS:
        message = f"A title has 1 to {MAX_TITLE_CHARACTERS} characters; this one has {len(title)}."
        yield _build_row(file, row, line, "act", title, message)
    elif not re.search(r"[^\W_]", title):
        yield _build_row(
            file, row, line, "act", title, "The title has no letter to make a name of."
        )
    for field, value in (("act", title), ("prompt", text)):
        for hidden_character in hidden_characters.find_hidden(value)[:1]:
            yield _build_row(
                file, row, line, field, hidden_character.name,
                f"The {'title' if field == 'act' else 'text'} of {title!r} hides {hidden_character.name} "
                f"(U+{hidden_character.code_point:04X}) at its line {hidden_character.line}, column "
                f"{hidden_character.column}: remove it, or a reader sees another prompt than the model does.",
            )  # fmt: skip
    if values_by_column.get("for_devs", "").strip().lower() not in _TRUTH:
        yield _build_row(
            file, row, line, "for_devs", values_by_column["for_devs"], "for_devs is TRUE or FALSE."
        )
    kind = values_by_column.get("type", "").strip()
    if kind and not _TYPE.fullmatch(kind):
        yield _build_row(file, row, line, "type", kind, "A type is one word such as TEXT.")


def _build_row(
    file: str, row: int, line: int, field: str, value: object, message: str
) -> errors.FieldError:
    return import_report.SourceFieldError(
        row=row, field=field, value=value, message=message, file=file, line=line
    )


def _build_error(
    file: Path, *, message: str, line: int | None = None
) -> import_report.UnreadableSource:
    row = import_report.SourceFieldError(
        row=0, field="", value="", message=message, file=file.name, line=line
    )
    return import_report.build_unreadable_source(source_name=str(file), rows=[row])
