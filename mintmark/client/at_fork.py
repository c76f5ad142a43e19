"""What must begin anew in a forked child: locks that a thread of the parent may have held, files, connections."""

import os
import weakref
from typing import Protocol


class AfterFork(Protocol):
    def after_fork(self) -> None: ...


_listeners: "weakref.WeakSet[AfterFork]" = weakref.WeakSet()


def register_at_fork(listener: AfterFork) -> None:
    """Have `after_fork` called in every child."""
    _listeners.add(listener)


def _run_after_fork() -> None:
    for listener in list(_listeners):
        listener.after_fork()


os.register_at_fork(after_in_child=_run_after_fork)
