"""What must begin anew in a forked child: locks that a thread of the parent may have held, files, connections."""

import os
import weakref
from typing import Protocol


class Forked(Protocol):
    def after_fork(self) -> None: ...


_all: "weakref.WeakSet[Forked]" = weakref.WeakSet()


def watch(one: Forked) -> None:
    """Have `after_fork` called in every child."""
    _all.add(one)


def _after_fork() -> None:
    for one in list(_all):
        one.after_fork()


os.register_at_fork(after_in_child=_after_fork)
