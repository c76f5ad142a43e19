"""A house to measure: an installation on a throw-away database, and processes that work on it."""

from __future__ import annotations

import importlib
import multiprocessing
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests import installations, postgres

# Evidence is recorded and not folded, and beside the API hang the views it is compared with.
BENCH_SETTINGS = "benchmarks.service.settings"


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Ids of what lives in a house, and the secret of a key with which evidence may be recorded and scores read."""

    prompts: list[int]
    assistants: list[int]
    rituals: list[int]
    operator: int
    raters: list[int]
    secret: str


class House(installations.Installation):
    """An installation, and work that is done inside it. Requests are counted, and none is refused."""

    @property
    def environment(self) -> dict[str, str]:
        counted = {
            "MINTMARK_API_PER_MINUTE": "1000000",
            "MINTMARK_API_ANONYMOUS_PER_MINUTE": "1000000",
        }
        return super().environment | counted | {"MINTMARK_MCP_PER_MINUTE": "1000000"}

    def call(self, work: str, **arguments: Any) -> Any:
        """Return what the function `work` ("module:function") returns in a process of its own, in
        which Django is set up for this house."""
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(max_workers=1, mp_context=spawn) as pool:
            return pool.submit(_work, self.environment, work, arguments).result()


@contextmanager
def on_postgresql() -> Iterator[House]:
    """A migrated, empty house on a PostgreSQL of its own (no fsync, see `tests.postgres`)."""
    with postgres.server() as server, installations.installed(url=server.url) as made:
        yield House(home=made.home, url=made.url)


@contextmanager
def on_sqlite() -> Iterator[House]:
    """A migrated, empty house on an SQLite file."""
    with installations.installed() as made:
        yield House(home=made.home, url=made.url)


def _work(environment: Mapping[str, str], work: str, arguments: Mapping[str, Any]) -> Any:
    os.environ.update(environment)
    import django

    django.setup()
    module, _, function = work.partition(":")
    return getattr(importlib.import_module(module), function)(**arguments)
