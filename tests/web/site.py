"""A real installation with the scene in it, served as `mintmark serve` serves it, for a browser to visit."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests import installations


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
        installation.run("tests.factories.seed_site")
        with installation.served(workers=1) as port:
            yield Site(
                address=f"http://127.0.0.1:{port}", user="buyer", password="correct horse battery"
            )
