"""An event loop in a thread of its own, so that a synchronous thread can wait for many calls at once."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

_STOP_TIMEOUT_SECONDS = 5.0


class LoopThread:
    """Runs coroutines inside a `with` block; when it ends, coroutines in progress are cancelled."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="calls", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        ended = asyncio.run_coroutine_threadsafe(self._cancel_tasks(), self._loop)
        try:
            ended.result(timeout=_STOP_TIMEOUT_SECONDS)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(timeout=_STOP_TIMEOUT_SECONDS)
            if not self._thread.is_alive():
                self._loop.close()

    def submit[T](self, coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
        """Start a coroutine. Cancelling the future cancels the coroutine."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def run[T](
        self, coroutine: Coroutine[Any, Any, T], *, timeout: float = _STOP_TIMEOUT_SECONDS
    ) -> T:
        """Run a coroutine and return its result."""
        return self.submit(coroutine).result(timeout=timeout)

    async def _cancel_tasks(self) -> None:
        current_task = asyncio.current_task()
        other_tasks = [task for task in asyncio.all_tasks() if task is not current_task]
        for task in other_tasks:
            task.cancel()
        await asyncio.gather(*other_tasks, return_exceptions=True)
