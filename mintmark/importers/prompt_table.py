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

from mintmark.core import errors, unicode

from . import reports

COLUMNS = ("act", "prompt")
"""What a file must have; `for_devs` and `type` become tags, and other columns are named in the
notes.
"""

TAGGED = ("for_devs", "type")
MAX_FILE_BYTES = 256 * 2**20
MAX_TITLE_CHARACTERS = 200
_MAX_SLUG = 180
_TRUTH = {"true": True, "false": False, "1": True, "0": False, "": False}
_TYPE = re.compile(r"[A-Za-z][\w-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
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
        bare = "".join(c for c in plain if unicodedata.category(c) != "Mn")
        words = re.sub(r"[\W_]+", "-", unicodedata.normalize("NFKC", bare))
        return words.strip("-")[:_MAX_SLUG].rstrip("-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The rows of a file that can be prompts, those that cannot, and the columns that are dropped."""

    name: str
    entries: Sequence[Entry]
    refused: Sequence[errors.Row]
    other_columns: Sequence[str]

    @property
    def rows(self) -> int:
        return len(self.entries) + len({row["row"] for row in self.refused})

    def refusal(self, *, entry: Entry, field: str, value: object, message: str) -> errors.Row:
        """A refused row of this file."""
        return _refusal(self.name, entry.row, entry.line, field, value, message)


def read(*, file: Path) -> Table:
    """Every row of a file. A row that is no prompt is refused by itself; a broken file as a whole.

    Raises `UnreadableSource`: no such file, not UTF-8, no CSV, columns missing, a row with too few
    or too many fields.
    """
    text = _decoded(file)
    entries: list[Entry] = []
    refused: list[errors.Row] = []
    # The largest prompt of the list is larger than the reader's default allows.
    usual_limit = csv.field_size_limit(MAX_FILE_BYTES)
    try:
        rows = _rows(text, file=file)
        heading = next(rows, (0, []))[1]
        _check_heading(heading, file=file)
        for row, (line, fields) in enumerate(rows):
            if len(fields) != len(heading):
                raise _broken(
                    file, line=line,
                    message=f"{len(fields)} fields where the heading has {len(heading)}; is a "
                    f"quote missing?",
                )  # fmt: skip
            named = dict(zip(heading, fields, strict=True))
            problems = list(_problems(named, file=file.name, row=row, line=line))
            refused += problems
            if not problems:
                entries.append(_entry(named, row=row, line=line))
    finally:
        csv.field_size_limit(usual_limit)
    if not entries and not refused:
        raise _broken(file, line=1, message="The file has a heading and no row.")
    return Table(
        name=file.name,
        entries=entries,
        refused=refused,
        other_columns=[name for name in heading if name not in (*COLUMNS, *TAGGED)],
    )


def _decoded(file: Path) -> str:
    try:
        size = file.stat().st_size
        if size > MAX_FILE_BYTES:
            raise _broken(
                file, message=f"It has {size:,} bytes; at most {MAX_FILE_BYTES:,} are read."
            )
        raw = file.read_bytes()
    except OSError as failed:
        raise _broken(file, message=f"It can't be read: {failed.strerror}.") from failed
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as failed:
        raise _broken(
            file,
            line=raw.count(b"\n", 0, failed.start) + 1,
            message=f"It is not UTF-8: byte {failed.start} is {failed.reason}. Save it as UTF-8.",
        ) from failed


def _rows(text: str, *, file: Path) -> Iterator[tuple[int, list[str]]]:
    """Each row that has a field, with the line that it starts in."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    start = 1
    try:
        for fields in reader:
            if fields:
                yield start, fields
            start = reader.line_num + 1
    except csv.Error as failed:
        raise _broken(
            file, line=start, message=f"The row that starts here is no CSV: {failed}."
        ) from failed


def _check_heading(heading: list[str], *, file: Path) -> None:
    missing = [name for name in COLUMNS if name not in heading]
    if missing or len(set(heading)) < len(heading):
        what = f"lacks {', '.join(missing)}" if missing else "names a column twice"
        found = ", ".join(heading)[:200] or "nothing"
        raise _broken(
            file, line=1,
            message=f"The heading {what}; it must name {', '.join((*COLUMNS, *TAGGED))}, and it "
            f"is: {found}.",
        )  # fmt: skip


def _entry(named: dict[str, str], *, row: int, line: int) -> Entry:
    kind = named.get("type", "").strip().lower()
    tags = [f"type:{kind}"] if kind else []
    if _TRUTH[named.get("for_devs", "").strip().lower()]:
        tags.append("audience:developers")
    return Entry(
        row=row, line=line, title=named["act"].strip(), text=named["prompt"], tags=tuple(tags)
    )


def _problems(named: dict[str, str], *, file: str, row: int, line: int) -> Iterator[errors.Row]:
    title, text = named["act"].strip(), named["prompt"]
    if not title or len(title) > MAX_TITLE_CHARACTERS:
        message = f"A title has 1 to {MAX_TITLE_CHARACTERS} characters; this one has {len(title)}."
        yield _refusal(file, row, line, "act", title, message)
    elif not re.search(r"[^\W_]", title):
        yield _refusal(file, row, line, "act", title, "The title has no letter to make a name of.")
    for field, value in (("act", title), ("prompt", text)):
        for place in unicode.hidden(value)[:1]:
            yield _refusal(
                file, row, line, field, place.name,
                f"The {'title' if field == 'act' else 'text'} of {title!r} hides {place.name} "
                f"(U+{place.code_point:04X}) at its line {place.line}, column {place.column}: "
                f"remove it, or a "
                "reader sees another prompt than the model does.",
            )  # fmt: skip
    if named.get("for_devs", "").strip().lower() not in _TRUTH:
        yield _refusal(file, row, line, "for_devs", named["for_devs"], "for_devs is TRUE or FALSE.")
    kind = named.get("type", "").strip()
    if kind and not _TYPE.fullmatch(kind):
        yield _refusal(file, row, line, "type", kind, "A type is one word such as TEXT.")


def _refusal(file: str, row: int, line: int, field: str, value: object, message: str) -> errors.Row:
    return reports.Place(row=row, field=field, value=value, message=message, file=file, line=line)


def _broken(file: Path, *, message: str, line: int | None = None) -> reports.UnreadableSource:
    place = reports.Place(row=0, field="", value="", message=message, file=file.name, line=line)
    return reports.unreadable(what=str(file), places=[place])
