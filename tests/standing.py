"""Worlds that are built once and stand while tests come and go: each test undoes what it did, not what was built.

A world is a Python object with rows in the database: a cast, a stall, a scene. Building one takes far longer than most
tests. So a fixture asks `standing` for it: it is built in a transaction that stays open, and each test runs in a
savepoint inside. Worlds may rest on each other (holdings on a scene); they form a stack. A test that asks for another
stack, for none, or for a database that commits, has what it does not need rolled back first.

What a test gets is a copy of the object, so that nothing of one test is left in another's Python either.
"""

import copy
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings

from mintmark.storage import watermark

# A fixture of this prefix builds a world: it is set up before the transaction of the test begins.
PREFIX = "built_"

# Hashing a password is slow on purpose.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

type Key = tuple[str, bool]


@dataclass
class Stack:
    """What stands in this process; the last was built upon those before it."""

    _worlds: list[tuple[Key, Any, ExitStack]] = field(default_factory=list)
    _asked: int = 0
    _folds: bool = False
    _memo: dict[int, Any] = field(default_factory=dict)

    def begin(self, *, folds: bool) -> None:
        """A test comes; `folds` when what it writes counts as settled, on every database."""
        self._asked, self._folds, self._memo = 0, folds, {}

    def give(self, name: str, build: Callable[[], Any]) -> Any:
        """A copy of the world of this name; it is built, as the next of the stack, unless it stands."""
        key = (name, self._folds)
        if len(self._worlds) <= self._asked or self._worlds[self._asked][0] != key:
            self.shrink(self._asked)
            self._build(key, build)
        world = self._worlds[self._asked][1]
        self._asked += 1
        # One memory for all copies of a test: the scene of the holdings is the test's own scene.
        return copy.deepcopy(world, self._memo)

    def original(self, name: str) -> Any:
        """The world of this name, for one that is built upon it."""
        return next(world for key, world, _ in self._worlds if key[0] == name)

    def end(self) -> None:
        """Every world of the test was asked for: others go."""
        self.shrink(self._asked)

    def shrink(self, size: int) -> None:
        """Undo all but the first `size` worlds."""
        while len(self._worlds) > size:
            self._worlds.pop()[2].close()

    def _build(self, key: Key, build: Callable[[], Any]) -> None:
        with ExitStack() as undo:
            undo.enter_context(_Undone())
            with (
                override_settings(PASSWORD_HASHERS=PASSWORD_HASHERS),
                pytest.MonkeyPatch.context() as patch,
            ):
                if self._folds:
                    patch.setattr(watermark, "get_visible_sql", lambda: "TRUE")
                world = build()
            self._worlds.append((key, world, undo.pop_all()))


class _Undone(transaction.Atomic):
    """A transaction that is always rolled back. As in Django's own TestCase, code inside may ask to be outermost."""

    def __init__(self) -> None:
        super().__init__(using=None, savepoint=True, durable=False)
        self._from_testcase = True

    def __exit__(self, *_: object) -> None:
        transaction.set_rollback(True, using=self.using)
        super().__exit__(None, None, None)


STACK = Stack()


def standing(name: str, build: Callable[..., Any], *, upon: str | None = None) -> Any:
    """A copy of the world `name`. `build` makes it, of the world that it is built `upon` if it is upon one."""
    if upon is None:
        return STACK.give(name, build)
    return STACK.give(name, lambda: build(STACK.original(upon)))
