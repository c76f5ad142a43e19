"""Prompts kept as files: a folder of them, or one, found and read without a database.

A file is one prompt, and a broken file is refused whole, with its line. Links are not followed: a folder from
elsewhere must not bring in what lies beside it.
"""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from mintmark.core import errors

from . import reports
from .front_matter import Document, Unreadable, read

MAX_FILE_BYTES = 4 * 2**20
MOST_FILES = 20_000
MOST_NAME = 200
MOST_LICENCE = 64
"""Characters of a licence: it is an SPDX identifier."""
_MOST_SLUG = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What one file says: the prompt's name within its folder, its text, and what stood beside it.

    `variables` None leaves them to the text; `unkept` names the fields of the front matter that have no place here.
    """

    name: str
    text: str
    line: int
    title: str = ""
    description: str = ""
    licence: str = ""
    tags: tuple[str, ...] = ()
    variables: Sequence[str] | None = None
    unkept: Sequence[str] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file that is a prompt: `row` counts the files of the kind from 0, `file` is its path within the folder."""

    row: int
    file: str
    name: str
    written: Written


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """The files that can be prompts, those that cannot, and how many are of another kind."""

    name: str
    entries: Sequence[Entry]
    refused: Sequence[errors.Row]
    others: int
    notes: Sequence[str] = field(default=())

    @property
    def files(self) -> int:
        return len(self.entries) + len({row["row"] for row in self.refused})


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A kind of file: which names it has, whether its own folder is part of its name, and how one is read."""

    kind: str
    is_one: Callable[[PurePosixPath], bool]
    has_own_folder: bool
    read: Callable[[Document, PurePosixPath], Written]
    called: str


def read_all(*, path: Path, format: Format) -> Folder:
    """Every file of a format under `path`, which is a folder or one such file.

    A file that is no prompt is refused by itself, and so are two that would have one name. Raises `UnreadableSource`:
    nothing there, nothing of the format in it, too many files.
    """
    entries: list[Entry] = []
    refused: list[errors.Row] = []
    paths, others = _paths(path, format)
    for row, relative in enumerate(paths):
        file = path / relative if path.is_dir() else path
        try:
            written = format.read(read(_bytes(file)), relative)
            name = _name(relative, written, format=format)
        except Refused as several:
            refused += [
                _place(row, relative, one.line, one.field, one.value, one.message)
                for one in several.places
            ]
            continue
        except Unreadable as why:
            refused.append(_place(row, relative, why.line, why.field, why.value, why.message))
            continue
        entries.append(Entry(row=row, file=str(relative), name=name, written=written))
    clashing = {name for name, n in Counter(entry.name for entry in entries).items() if n > 1}
    for entry in entries:
        if entry.name in clashing:
            twin = next(one for one in entries if one.name == entry.name and one is not entry)
            message = f"{twin.file} would have the same name; give one of them another."
            refused.append(_place(entry.row, entry.file, 1, "name", entry.name, message))
    return Folder(
        name=str(path),
        entries=[entry for entry in entries if entry.name not in clashing],
        refused=refused,
        others=others,
    )


class Refused(Exception):
    """Several places of one file; see `Unreadable`, of which there is one each."""

    def __init__(self, places: Sequence[Unreadable]) -> None:
        super().__init__()
        self.places = places


def slug(text: str) -> str:
    """A text as part of a name: lower case, accents dropped, words joined by hyphens."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(one for one in plain if unicodedata.category(one) != "Mn")
    return re.sub(r"[\W_]+", "-", unicodedata.normalize("NFKC", bare)).strip("-")[:_MOST_SLUG]


def _name(relative: PurePosixPath, written: Written, *, format: Format) -> str:
    """Folders and the file's own name, so that nested folders keep apart what is called alike."""
    above = relative.parent.parent if format.has_own_folder else relative.parent
    parts = [*above.parts, *PurePosixPath(written.name).parts]
    slugs = [slug(part) for part in parts]
    if not all(slugs):
        raise Unreadable(
            "There is no letter or digit to make a name of.", line=1, field="name", value="/".join(parts)
        )  # fmt: skip
    name = "/".join(slugs)
    if len(name) > MOST_NAME:
        raise Unreadable(
            f"With its folders the name has over {MOST_NAME} characters.", line=1, field="name", value=name
        )  # fmt: skip
    return name


def _paths(path: Path, format: Format) -> tuple[list[PurePosixPath], int]:
    """The files of this format, in the order of their names, and how many others there are."""
    if path.is_file():
        return [PurePosixPath(path.name)], 0
    if not path.is_dir():
        raise _broken(path, "There is no such file or folder.")
    found: list[PurePosixPath] = []
    others = 0
    for relative in _walk(path):
        if format.is_one(relative):
            found.append(relative)
        else:
            others += 1
        if len(found) + others > MOST_FILES:
            raise _broken(path, f"It holds over {MOST_FILES:,} files; import a part of it.")
    if not found:
        raise _broken(path, f"There is no {format.called} in it, at whatever depth.")
    return sorted(found), others


def _walk(path: Path) -> Iterator[PurePosixPath]:
    for folder, folders, files in os.walk(path, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            yield PurePosixPath(Path(folder, name).relative_to(path).as_posix())


def _bytes(file: Path) -> bytes:
    if file.is_symlink():
        raise Unreadable("It is a link, and links are not followed.", line=1)
    try:
        size = file.stat().st_size
        if size > MAX_FILE_BYTES:
            raise Unreadable(f"It has {size:,} bytes; at most {MAX_FILE_BYTES:,} are read.", line=1)
        return file.read_bytes()
    except OSError as failed:
        raise Unreadable(f"It can't be read: {failed.strerror}.", line=1) from failed


def _place(
    row: int, file: PurePosixPath | str, line: int, field: str, value: object, message: str
) -> errors.Row:
    return reports.Place(
        row=row, field=field, value=value, message=message, file=str(file), line=line
    )


def _broken(path: Path, message: str) -> reports.UnreadableSource:
    place = reports.Place(row=0, field="", value="", message=message, file=path.name)
    return reports.unreadable(what=str(path), places=[place])
