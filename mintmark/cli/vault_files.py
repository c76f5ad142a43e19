"""The files that `mintmark vault` reads and writes, byte for byte; `-` is standard input or output."""

import sys
from collections.abc import Mapping
from pathlib import Path

from mintmark.core import canonical_json, errors

from . import vault_verify

STREAM = "-"


class Unwritable(errors.Refusal):
    """A file or folder can't be written, or is there already."""

    code = "unwritable"


def read(file: str, *, most: int) -> bytes:
    """The bytes of a file, at most `most`; `UnreadableBundle`, or `BadJson` (`too_large`) for a longer one."""
    if file == STREAM:
        raw = sys.stdin.buffer.read(most + 1)
    else:
        raw = vault_verify.read(Path(file), most=most)
    if len(raw) > most:
        raise canonical_json.BadJson(
            "too_large", f"It has more than {most:,} bytes: see MINTMARK_VAULT_MAX_BYTES."
        )
    return raw


def write(file: str, raw: bytes) -> None:
    """Write these bytes, in the place of what is there."""
    if file == STREAM:
        sys.stdout.flush()
        sys.stdout.buffer.write(raw)
        sys.stdout.buffer.flush()
        return
    try:
        Path(file).write_bytes(raw)
    except OSError as failed:
        raise Unwritable(f"{file!r} can't be written: {failed.strerror}.") from failed


def write_folder(folder: str, files: Mapping[str, bytes]) -> None:
    """Write files by path into a folder that is new or empty: one file more, and it would not verify."""
    root = Path(folder)
    try:
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise Unwritable(f"{folder!r} is there already and not an empty folder: name another.")
        for path, raw in files.items():
            at = root / path
            at.parent.mkdir(parents=True, exist_ok=True)
            at.write_bytes(raw)
    except OSError as failed:
        raise Unwritable(f"{folder!r} can't be written: {failed.strerror}.") from failed
