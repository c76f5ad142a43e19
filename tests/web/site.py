"""A real installation with the scene in it, served as `mintmark serve` serves it, for a browser to visit."""

import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests import installations

_PATIENCE_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where it is served, and who may sign in."""

    address: str
    user: str
    password: str


@contextmanager
def served() -> Iterator[Site]:
    """The site, from the moment it answers to the end of the block."""
    with installations.installation() as installation:
        installation.run("tests.web.furnish")
        port = _free_port()
        process = installation.start("mintmark.cli", "serve", "--port", str(port), "--workers", "1")
        try:
            address = f"http://127.0.0.1:{port}"
            _await(address)
            yield Site(address=address, user="buyer", password="correct horse battery")
        finally:
            process.terminate()
            process.wait(timeout=_PATIENCE_SECONDS)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(address: str) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{address}/sign-in", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
