"""The client of a program that waits for its answers."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self, Unpack

from . import door, wire
from .door import Door, Settings
from .plans import Plan
from .prompts import Prompt
from .uses import Use
from .wire import Wire


class Client(Door):
    """A client for plain programs; `Door` says what it is given. Safe between threads, and in forked children."""

    def __init__(self, url: str | None = None, **settings: Unpack[Settings]) -> None:
        super().__init__(url, **settings)
        self._wires: dict[int, Wire] = {}

    def get(self, reference: str, *, fallback: str | None = None) -> Prompt:
        """The prompt that `namespace/name@label`, `@3`, `namespace/name` (its latest) or `sha256:…` names.

        Without a `fallback`, the text to use where there is none to hand out: `Refused` where it does not exist, was
        withdrawn or is not the caller's to read, `Unavailable` where the server is away and nothing stands in.
        """
        return self._driven(self._plans.prompt(reference, fallback=fallback))

    def best(
        self,
        assistant: str | int | None = None,
        task: str = "",
        *,
        explore: bool = False,
        fallback: str | None = None,
    ) -> Prompt:
        """The prompt with the best trust for an assistant on a task, of those that both it and the caller may use
        and that pass its gates (its floor of trust, the clauses that bind it).

        `task` is a ritual's name or a tag (`task:summarise`). The best is the one whose trust has the highest lower
        bound. With `explore` it is drawn by Thompson sampling, so that prompts of which little is known are tried as
        often as they may be the best; `prompt.choice` and every report say with which probability. As `get` otherwise.
        """
        whose = self._whose(assistant)
        rng = self._chance(explore=explore)
        plan = self._plans.best(assistant=whose, task=task, rng=rng, fallback=fallback)
        return door.say(self._driven(plan))

    @contextmanager
    def use(
        self,
        prompt: Prompt | str,
        *,
        ritual: str | int | None = None,
        assistant: str | int | None = None,
        fallback: str | None = None,
    ) -> Iterator[Use]:
        """A use of a prompt (or of what a reference names, as `get`) under a ritual, to be reported on."""
        held = self.get(prompt, fallback=fallback) if isinstance(prompt, str) else prompt
        yield self._use(held, ritual=ritual, assistant=assistant)

    def flush(self, seconds: float = 10.0) -> bool:
        """Wait until all that was reported is delivered, at most so long; False if something waits still."""
        return self._outbox.flush(seconds=seconds)

    def close(self) -> None:
        """Deliver what waits if that goes at once, and end. A program that ends does this by itself."""
        self._outbox.close()
        for one in self._wires.values():
            one.close()
        self._wires.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _driven[T](self, plan: Plan[T]) -> T:
        try:
            request = next(plan)
            while True:
                try:
                    answer = self._wire().send(request)
                except wire.MintmarkError as none:
                    request = plan.throw(none)
                else:
                    request = plan.send(answer)
        except StopIteration as ended:
            found: T = ended.value
            return found

    def _wire(self) -> Wire:
        """The connections of this process: a forked child has its own."""
        pid = os.getpid()
        found = self._wires.get(pid)
        if found is None:
            made = Wire(address=self._address, timeout_seconds=self._timeout_seconds)
            found = self._wires.setdefault(pid, made)
        return found
