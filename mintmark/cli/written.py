"""A document that a command is given: a file, or standard input, of a bounded size."""

from pathlib import Path

import click


def raw(file: Path) -> bytes:
    """The bytes of a file (- for standard input). `InvalidDocument` where it can't be read, or is too large."""
    from mintmark.rituals import documents

    try:
        with click.open_file(str(file), "rb") as opened:
            found: bytes = opened.read(documents.MAX_BYTES + 1)
    except OSError as failed:
        raise documents.InvalidDocument(f"{file} can't be read: {failed.strerror}.") from failed
    if len(found) > documents.MAX_BYTES:
        raise documents.InvalidDocument(
            f"{file} is larger than the {documents.MAX_BYTES:,} bytes that are read."
        )
    return found
