"""The files that `mintmark vault` reads and writes, byte for byte; `-` is standard input or output."""

import sys
from collections.abc import Mapping
from pathlib import Path

from mintmark.common import errors

STREAM = "-"


class UnreadableBundle(errors.DomainError):
    """A file or folder to read, or a key, can't be read."""

    code = "unreadable_bundle"


class UnwritableFile(errors.DomainError):
    """A file or folder can't be written, or is there already."""

    code = "unwritable"


def read_file(file: str, *, max_bytes: int) -> bytes:
    """The bytes of a file, at most `max_bytes`.

    Raises `UnreadableBundle`, or `InvalidCanonicalJson` (`too_large`) for a longer one.
    """
    if file == STREAM:
        raw = sys.stdin.buffer.read(max_bytes + 1)
    else:
        raw = read_path(Path(file), max_bytes=max_bytes)
    if len(raw) > max_bytes:
        from mintmark.signing import canonical_json

        raise canonical_json.InvalidCanonicalJson(
            "too_large", f"It has more than {max_bytes:,} bytes: see MINTMARK_VAULT_MAX_BYTES."
        )
    return raw


def read_path(file: Path, *, max_bytes: int) -> bytes:
    """The content of a file, and of a longer one one byte more than `max_bytes`."""
    try:
        with file.open("rb") as stream:
            return stream.read(max_bytes + 1)
    except OSError as failed:
        raise UnreadableBundle(f"{str(file)!r} can't be read: {failed.strerror}.") from failed


def write_file(file: str, raw: bytes) -> None:
    """Write these bytes, in the place of what is there."""
    if file == STREAM:
        sys.stdout.flush()
        sys.stdout.buffer.write(raw)
        sys.stdout.buffer.flush()
        return
    try:
        Path(file).write_bytes(raw)
    except OSError as failed:
        raise UnwritableFile(f"{file!r} can't be written: {failed.strerror}.") from failed


def write_folder(folder: str, files: Mapping[str, bytes]) -> None:
    """Write files by path into a folder that is new or empty: one file more, and it would not verify."""
    root = Path(folder)
    try:
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise UnwritableFile(
                f"{folder!r} is there already and not an empty folder: name another."
            )
        for path, raw in files.items():
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(raw)
    except OSError as failed:
        raise UnwritableFile(f"{folder!r} can't be written: {failed.strerror}.") from failed
