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

from mintmark.common import errors

from . import import_report
from .front_matter import FrontMatterDocument, UnreadableFile, parse_document

MAX_FILE_BYTES = 4 * 2**20
MAX_FILES = 20_000
MAX_NAME_LENGTH = 200
MAX_LICENCE_LENGTH = 64
"""Characters of a licence: it is an SPDX identifier."""
_MAX_SLUG_LENGTH = 90
_MAX_SHOWN_FOLDERS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptFile:
    """What one file says: the prompt's name within its folder, its text, and what stood beside it.

    `variables` None leaves them to the text; `unkept` names the fields of the front matter that have no place here.
    """

    name: str
    text: str
    first_line: int
    title: str = ""
    description: str = ""
    licence: str = ""
    tags: tuple[str, ...] = ()
    variables: Sequence[str] | None = None
    ignored_fields: Sequence[str] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptFileEntry:
    """A file that is a prompt: `row` counts the files of the kind from 0, `file` is its path within the folder."""

    row: int
    file: str
    name: str
    prompt_file: PromptFile


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptFolder:
    """The files that can be prompts, those that cannot, and how many are of another kind."""

    name: str
    entries: Sequence[PromptFileEntry]
    refused: Sequence[errors.FieldError]
    other_file_count: int
    notes: Sequence[str] = field(default=())

    @property
    def files(self) -> int:
        return len(self.entries) + len({row["row"] for row in self.refused})


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFormat:
    """A kind of file: which names it has, whether its own folder is part of its name, and how one is read."""

    kind: str
    matches: Callable[[PurePosixPath], bool]
    has_own_folder: bool
    parse: Callable[[FrontMatterDocument, PurePosixPath], PromptFile]
    label: str


def read_all(*, path: Path, format: FileFormat) -> PromptFolder:
    """Every file of a format under `path`, which is a folder or one such file.

    A file that is no prompt is refused by itself, and so are two that would have one name. Raises `UnreadableSource`:
    nothing there, nothing of the format in it, too many files.
    """
    entries: list[PromptFileEntry] = []
    refused_rows: list[errors.FieldError] = []
    paths, other_file_count, notes = _find_paths(path, format)
    for row, relative in enumerate(paths):
        file = path / relative if path.is_dir() else path
        try:
            prompt_file = format.parse(parse_document(_read_bytes(file)), relative)
            name = _build_name(relative, prompt_file, format=format)
        except RefusedFile as refused_file:
            refused_rows += [
                _build_row(
                    row, relative, problem.line, problem.field, problem.value, problem.message
                )
                for problem in refused_file.problems
            ]
            continue
        except UnreadableFile as error:
            refused_rows.append(
                _build_row(row, relative, error.line, error.field, error.value, error.message)
            )
            continue
        entries.append(
            PromptFileEntry(row=row, file=str(relative), name=name, prompt_file=prompt_file)
        )
    clashing = {name for name, n in Counter(entry.name for entry in entries).items() if n > 1}
    for entry in entries:
        if entry.name in clashing:
            twin = next(
                other for other in entries if other.name == entry.name and other is not entry
            )
            message = f"{twin.file} would have the same name; give one of them another."
            refused_rows.append(_build_row(entry.row, entry.file, 1, "name", entry.name, message))
    return PromptFolder(
        name=str(path),
        entries=[entry for entry in entries if entry.name not in clashing],
        refused=refused_rows,
        other_file_count=other_file_count,
        notes=notes,
    )


class RefusedFile(Exception):
    """Several places of one file; see `Unreadable`, of which there is one each."""

    def __init__(self, problems: Sequence[UnreadableFile]) -> None:
        super().__init__()
        self.problems = problems


def slugify(text: str) -> str:
    """A text as part of a name: lower case, accents dropped, words joined by hyphens."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    without_accents = "".join(
        character for character in plain if unicodedata.category(character) != "Mn"
    )
    return re.sub(r"[\W_]+", "-", unicodedata.normalize("NFKC", without_accents)).strip("-")[
        :_MAX_SLUG_LENGTH
    ]


def _build_name(relative: PurePosixPath, prompt_file: PromptFile, *, format: FileFormat) -> str:
    """Folders and the file's own name, so that nested folders keep apart what is called alike."""
    parent = relative.parent.parent if format.has_own_folder else relative.parent
    name_parts = [*parent.parts, *PurePosixPath(prompt_file.name).parts]
    slugs = [slugify(name_part) for name_part in name_parts]
    if not all(slugs):
        raise UnreadableFile(
            "It has no letter or digit to make a name from.", line=1, field="name", value="/".join(name_parts)
        )  # fmt: skip
    name = "/".join(slugs)
    if len(name) > MAX_NAME_LENGTH:
        raise UnreadableFile(
            f"With its folders the name has over {MAX_NAME_LENGTH} characters.", line=1, field="name", value=name
        )  # fmt: skip
    return name


def _find_paths(path: Path, format: FileFormat) -> tuple[list[PurePosixPath], int, list[str]]:
    """The files of this format in the order of their names, how many others there are, and what was passed by."""
    if path.is_file():
        if not format.matches(PurePosixPath(path.name)):
            raise _build_error(path, f"It is no {format.label}, by its name.")
        return [PurePosixPath(path.name)], 0, []
    if not path.is_dir():
        raise _build_error(path, "There is no such file or folder.")
    matching: list[PurePosixPath] = []
    other_file_count = 0
    passed_by: list[str] = []
    for relative in _walk(path, passed_by):
        if format.matches(relative):
            matching.append(relative)
        else:
            other_file_count += 1
        if len(matching) + other_file_count > MAX_FILES:
            raise _build_error(path, f"It holds over {MAX_FILES:,} files; import a part of it.")
    notes = _describe_passed_by(passed_by)
    if not matching:
        message = f"There is no {format.label} in it, at any depth."
        raise _build_error(path, " ".join([message, *notes]))
    return sorted(matching), other_file_count, notes


def _describe_passed_by(folders: Sequence[str]) -> list[str]:
    """A note on the folders that were not looked into."""
    if not folders:
        return []
    shown = ", ".join(folders[:_MAX_SHOWN_FOLDERS])
    more = (
        f" and {len(folders) - _MAX_SHOWN_FOLDERS:,} more"
        if len(folders) > _MAX_SHOWN_FOLDERS
        else ""
    )
    return [
        f"Passed by, as hidden or linked: {shown}{more}. Name such a folder as PATH to import it."
    ]


def _walk(path: Path, passed_by: list[str]) -> Iterator[PurePosixPath]:
    for folder, folders, files in os.walk(path, followlinks=False):
        unread = [
            name for name in folders if name.startswith(".") or Path(folder, name).is_symlink()
        ]
        passed_by += sorted(
            Path(folder, name).relative_to(path).as_posix() for name in unread if name != ".git"
        )
        folders[:] = sorted(name for name in folders if name not in unread)
        for name in sorted(files):
            yield PurePosixPath(Path(folder, name).relative_to(path).as_posix())


def _read_bytes(file: Path) -> bytes:
    if file.is_symlink():
        raise UnreadableFile("It is a link, and links are not followed.", line=1)
    try:
        size = file.stat().st_size
        if size > MAX_FILE_BYTES:
            raise UnreadableFile(
                f"It has {size:,} bytes; at most {MAX_FILE_BYTES:,} are read.", line=1
            )
        return file.read_bytes()
    except OSError as error:
        raise UnreadableFile(f"It can't be read: {error.strerror}.", line=1) from error


def _build_row(
    row: int, file: PurePosixPath | str, line: int, field: str, value: object, message: str
) -> errors.FieldError:
    return import_report.SourceFieldError(
        row=row, field=field, value=value, message=message, file=str(file), line=line
    )


def _build_error(path: Path, message: str) -> import_report.UnreadableSource:
    row = import_report.SourceFieldError(row=0, field="", value="", message=message, file=path.name)
    return import_report.build_unreadable_source(source_name=str(path), rows=[row])
