"""A document that a command is given: a file, or standard input, of a bounded size."""

from pathlib import Path

import click


def read_document(file: Path) -> bytes:
    """The bytes of a file (- for standard input). `InvalidDocument` where it can't be read, or is too large."""
    from mintmark.common import documents

    try:
        with click.open_file(str(file), "rb") as stream:
            content: bytes = stream.read(documents.MAX_BYTES + 1)
    except OSError as failed:
        raise documents.InvalidDocument(f"{file} can't be read: {failed.strerror}.") from failed
    if len(content) > documents.MAX_BYTES:
        raise documents.InvalidDocument(
            f"{file} is larger than the {documents.MAX_BYTES:,} bytes that are read."
        )
    return content
