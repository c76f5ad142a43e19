"""The client of a program that has an event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self, Unpack
from weakref import WeakKeyDictionary

from . import door, wire
from .door import Door, Settings
from .plans import Plan
from .prompts import Prompt
from .uses import Use
from .wire import AsyncWire


class AsyncClient(Door):
    """As `Client`, with `await` where the server is asked. Reports are plain calls here too: they wait for nobody."""

    def __init__(self, url: str | None = None, **settings: Unpack[Settings]) -> None:
        super().__init__(url, **settings)
        self._wires: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncWire] = WeakKeyDictionary()

    async def get(self, reference: str, *, fallback: str | None = None) -> Prompt:
        """See `Client.get`."""
        return await self._driven(self._plans.prompt(reference, fallback=fallback))

    async def best(
        self,
        assistant: str | int | None = None,
        task: str = "",
        *,
        explore: bool = False,
        fallback: str | None = None,
    ) -> Prompt:
        """See `Client.best`."""
        whose = self._whose(assistant)
        rng = self._chance(explore=explore)
        plan = self._plans.best(assistant=whose, task=task, rng=rng, fallback=fallback)
        return door.say(await self._driven(plan))

    @asynccontextmanager
    async def use(
        self,
        prompt: Prompt | str,
        *,
        ritual: str | int | None = None,
        assistant: str | int | None = None,
        fallback: str | None = None,
    ) -> AsyncIterator[Use]:
        """See `Client.use`."""
        held = await self.get(prompt, fallback=fallback) if isinstance(prompt, str) else prompt
        yield self._use(held, ritual=ritual, assistant=assistant)

    async def flush(self, seconds: float = 10.0) -> bool:
        """See `Client.flush`; other tasks go on meanwhile."""
        return await asyncio.to_thread(self._outbox.flush, seconds=seconds)

    async def close(self) -> None:
        """See `Client.close`."""
        await asyncio.to_thread(self._outbox.close)
        mine = self._wires.pop(asyncio.get_running_loop(), None)
        if mine is not None:
            await mine.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _driven[T](self, plan: Plan[T]) -> T:
        try:
            request = next(plan)
            while True:
                try:
                    answer = await self._wire().send(request)
                except wire.MintmarkError as none:
                    request = plan.throw(none)
                else:
                    request = plan.send(answer)
        except StopIteration as ended:
            found: T = ended.value
            return found

    def _wire(self) -> AsyncWire:
        """The connections of this loop."""
        loop = asyncio.get_running_loop()
        found = self._wires.get(loop)
        if found is None:
            found = AsyncWire(address=self._address, timeout_seconds=self._timeout_seconds)
            self._wires[loop] = found
        return found
