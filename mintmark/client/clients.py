"""The client of a program that waits for its answers."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from . import wire
from .outbox import Counts, Outbox
from .plans import Plan, Plans
from .prompts import Prompt
from .uses import Use
from .wire import Address, Wire

MOST_FRESH_SECONDS = 300.0


class Client:
    """A Mintmark server as one program uses it; safe between threads, and in forked children.

    `url` and `key` may stand in MINTMARK_URL and MINTMARK_KEY (or MINTMARK_KEY_FILE). `assistant` is whose uses are
    reported. Reading a prompt asks the server each time, so that what is revoked is gone at once; `fresh_seconds` (at
    most 300) lets an answer stand that long without asking, and a revocation wait as long. `stale_seconds` lets the
    last answer stand in that long while the server is away. `state` is the folder for what waits to be delivered,
    `spool_bytes` what it may hold. `exit_seconds` is how long a program that ends waits for its last delivery.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        key: str | None = None,
        assistant: str | int | None = None,
        fresh_seconds: float = 0.0,
        stale_seconds: float = 0.0,
        timeout_seconds: float = 5.0,
        exit_seconds: float = 3.0,
        state: Path | str | None = None,
        spool_bytes: int = 64 << 20,
    ) -> None:
        if not 0.0 <= fresh_seconds <= MOST_FRESH_SECONDS:
            raise ValueError(
                f"fresh_seconds is 0 to {MOST_FRESH_SECONDS:g}, not {fresh_seconds!r}: for so long a prompt that was "
                "revoked would go on being used."
            )
        if stale_seconds < 0 or timeout_seconds <= 0 or exit_seconds < 0:
            raise ValueError("stale_seconds, timeout_seconds and exit_seconds are no less than 0.")
        self._assistant = assistant
        self._address = Address.checked(url=url or _given("MINTMARK_URL"), key=key or _key())
        self._plans = Plans(fresh_seconds=fresh_seconds, stale_seconds=stale_seconds)
        self._timeout_seconds = timeout_seconds
        self._outbox = Outbox(
            address=self._address,
            root=Path(state) if state is not None else None,
            most_bytes=spool_bytes,
            timeout_seconds=max(timeout_seconds, 10.0),
            exit_seconds=exit_seconds,
        )
        self._wires: dict[int, Wire] = {}

    def get(self, reference: str, *, fallback: str | None = None) -> Prompt:
        """The prompt that `namespace/name@label`, `@3`, `namespace/name` (its latest) or `sha256:…` names.

        Without a `fallback`, the text to use where there is none to hand out: `Refused` where it does not exist, was
        withdrawn or is not the caller's to read, `Unavailable` where the server is away and nothing stands in.
        """
        return self._driven(self._plans.prompt(reference, fallback=fallback))

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
        yield Use(
            prompt=held,
            assistant=assistant if assistant is not None else self._assistant,
            ritual=ritual,
            outbox=self._outbox,
        )

    def counts(self) -> Counts:
        """What became of everything that was reported."""
        return self._outbox.counts()

    def flush(self, seconds: float = 10.0) -> bool:
        """Wait until all that was reported is delivered, at most so long; False if something waits still."""
        return self._outbox.flush(seconds=seconds)

    def close(self) -> None:
        """Deliver what waits if that goes at once, and end. A program that ends does this by itself."""
        self._outbox.close()
        for wire_ in self._wires.values():
            wire_.close()
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

    def __repr__(self) -> str:
        return f"<mintmark.client.Client {self._address.url}>"

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
            found = self._wires.setdefault(
                pid, Wire(address=self._address, timeout_seconds=self._timeout_seconds)
            )
        return found


def _given(name: str) -> str:
    return os.environ.get(name, "")


def _key() -> str:
    file = _given("MINTMARK_KEY_FILE")
    return Path(file).read_text().strip() if file else _given("MINTMARK_KEY").strip()
