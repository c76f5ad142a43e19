"""The client of a program that has an event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Literal, Self, Unpack
from weakref import WeakKeyDictionary

from . import base, transport
from .base import ClientBase, ClientSettings
from .operations import Operation
from .prompts import Prompt
from .transport import AsyncTransport
from .use import Use


class AsyncClient(ClientBase):
    """As `Client`, with `await` where the server is asked. Reports are plain calls here too: they wait for nobody."""

    def __init__(self, url: str | None = None, **settings: Unpack[ClientSettings]) -> None:
        super().__init__(url, **settings)
        self._transports: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncTransport] = (
            WeakKeyDictionary()
        )

    async def get(self, reference: str, *, fallback: str | None = None) -> Prompt:
        """See `Client.get`."""
        return await self._run(self._operations.get_prompt(reference, fallback=fallback))

    async def best(
        self,
        assistant: str | int | None = None,
        task: str = "",
        *,
        explore: bool = False,
        fallback: str | None = None,
        view: Literal["public", "mine"] = "public",
    ) -> Prompt:
        """See `Client.best`."""
        assistant_ref = self._require_assistant(assistant)
        rng = self._get_rng(explore=explore)
        operation = self._operations.select_best(
            assistant=assistant_ref, task=task, rng=rng, fallback=fallback, view=view
        )
        return base.log_selection(await self._run(operation))

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
        resolved_prompt = (
            await self.get(prompt, fallback=fallback) if isinstance(prompt, str) else prompt
        )
        yield self._create_use(resolved_prompt, ritual=ritual, assistant=assistant)

    async def flush(self, seconds: float = 10.0) -> bool:
        """See `Client.flush`; other tasks go on meanwhile."""
        return await asyncio.to_thread(self._event_queue.flush, seconds=seconds)

    async def close(self) -> None:
        """See `Client.close`."""
        await asyncio.to_thread(self._event_queue.close)
        open_transport = self._transports.pop(asyncio.get_running_loop(), None)
        if open_transport is not None:
            await open_transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _run[T](self, operation: Operation[T]) -> T:
        try:
            request = next(operation)
            while True:
                try:
                    response = await self._get_transport().send(request)
                except transport.MintmarkError as none:
                    request = operation.throw(none)
                else:
                    request = operation.send(response)
        except StopIteration as ended:
            result: T = ended.value
            return result

    def _get_transport(self) -> AsyncTransport:
        """The connections of this loop."""
        loop = asyncio.get_running_loop()
        existing = self._transports.get(loop)
        if existing is None:
            existing = AsyncTransport(address=self._address, timeout_seconds=self._timeout_seconds)
            self._transports[loop] = existing
        return existing
