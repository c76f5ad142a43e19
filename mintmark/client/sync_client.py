"""The client of a program that waits for its answers."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Literal, Self, Unpack

from . import base, transport
from .base import ClientBase, ClientSettings
from .operations import Operation
from .prompts import Prompt
from .transport import Transport
from .use import Use


class Client(ClientBase):
    """A client for plain programs; `Door` says what it is given. Safe between threads, and in forked children."""

    def __init__(self, url: str | None = None, **settings: Unpack[ClientSettings]) -> None:
        super().__init__(url, **settings)
        self._transports: dict[int, Transport] = {}

    def get(self, reference: str, *, fallback: str | None = None) -> Prompt:
        """The prompt that `namespace/name@label`, `@3`, `namespace/name` (its latest) or `sha256:…` names.

        Without a `fallback`, the text to use where there is none to hand out: `Refused` where it does not exist, was
        withdrawn or is not the caller's to read, `Unavailable` where the server is away and nothing stands in.
        """
        return self._run(self._operations.get_prompt(reference, fallback=fallback))

    def best(
        self,
        assistant: str | int | None = None,
        task: str = "",
        *,
        explore: bool = False,
        fallback: str | None = None,
        view: Literal["public", "mine"] = "public",
    ) -> Prompt:
        """The prompt with the best trust for an assistant on a task, of those that both it and the caller may use
        and that pass its gates (its floor of trust, the clauses that bind it).

        `task` is a ritual's name or a tag (`task:summarise`). The best is the one whose trust has the highest lower
        bound. With `explore` it is drawn by Thompson sampling, so that prompts of which little is known are tried as
        often as they may be the best; `prompt.choice` and every report say with which probability. It goes by public
        trust, unless `view="mine"` asks for that of the assistant's own team. As `get` otherwise.
        """
        assistant_ref = self._require_assistant(assistant)
        rng = self._get_rng(explore=explore)
        operation = self._operations.select_best(
            assistant=assistant_ref, task=task, rng=rng, fallback=fallback, view=view
        )
        return base.log_selection(self._run(operation))

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
        resolved_prompt = self.get(prompt, fallback=fallback) if isinstance(prompt, str) else prompt
        yield self._create_use(resolved_prompt, ritual=ritual, assistant=assistant)

    def flush(self, seconds: float = 10.0) -> bool:
        """Wait until all that was reported is delivered, at most so long; False if something waits still."""
        return self._event_queue.flush(seconds=seconds)

    def close(self) -> None:
        """Deliver what waits if that goes at once, and end. A program that ends does this by itself."""
        self._event_queue.close()
        for open_transport in self._transports.values():
            open_transport.close()
        self._transports.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _run[T](self, operation: Operation[T]) -> T:
        try:
            request = next(operation)
            while True:
                try:
                    response = self._get_transport().send(request)
                except transport.MintmarkError as none:
                    request = operation.throw(none)
                else:
                    request = operation.send(response)
        except StopIteration as ended:
            result: T = ended.value
            return result

    def _get_transport(self) -> Transport:
        """The connections of this process: a forked child has its own."""
        pid = os.getpid()
        existing = self._transports.get(pid)
        if existing is None:
            created = Transport(address=self._address, timeout_seconds=self._timeout_seconds)
            existing = self._transports.setdefault(pid, created)
        return existing
