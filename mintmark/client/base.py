"""What both clients are made of: checked settings, one set of plans, one outbox."""

import logging
import os
import random
from pathlib import Path
from typing import TypedDict

from .event_queue import Counts, EventQueue
from .operations import Operations
from .prompts import Prompt
from .transport import ServerAddress
from .use import Use

MAX_FRESH_SECONDS = 300.0
_log = logging.getLogger("mintmark.client")


class ClientSettings(TypedDict, total=False):
    """What a client may be told; `Door` says what each means."""

    key: str | None
    assistant: str | int | None
    fresh_seconds: float
    stale_seconds: float
    timeout_seconds: float
    exit_seconds: float
    state: Path | str | None
    spool_bytes: int
    rng: random.Random | None


class ClientBase:
    """A Mintmark server as one program uses it.

    `url` and `key` may stand in MINTMARK_URL and MINTMARK_KEY (or MINTMARK_KEY_FILE). `assistant` is whose uses are
    reported. Reading a prompt asks the server each time, so that what is revoked is gone at once; `fresh_seconds` (at
    most 300) lets an answer stand that long without asking, and a revocation wait as long. `stale_seconds` lets the
    last answer stand in that long while the server is away. `state` is the folder for what waits to be delivered,
    `spool_bytes` what it may hold. `exit_seconds` is how long a program that ends waits for its last delivery. `rng`
    is what explored choices are drawn with.
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
        rng: random.Random | None = None,
    ) -> None:
        if not 0.0 <= fresh_seconds <= MAX_FRESH_SECONDS:
            raise ValueError(
                f"fresh_seconds is 0 to {MAX_FRESH_SECONDS:g}, not {fresh_seconds!r}: for so long a prompt that was "
                "revoked would go on being used."
            )
        if stale_seconds < 0 or timeout_seconds <= 0 or exit_seconds < 0:
            raise ValueError("stale_seconds and exit_seconds are 0 or more, timeout_seconds more.")
        self._assistant = assistant
        self._timeout_seconds = timeout_seconds
        self._rng = rng or random.Random()
        self._address = ServerAddress.parse(
            url=url or _read_env("MINTMARK_URL"), key=key or _read_key()
        )
        self._operations = Operations(fresh_seconds=fresh_seconds, stale_seconds=stale_seconds)
        self._event_queue = EventQueue(
            address=self._address,
            root=Path(state) if state is not None else None,
            max_bytes=spool_bytes,
            timeout_seconds=max(timeout_seconds, 10.0),
            exit_seconds=exit_seconds,
        )

    def counts(self) -> Counts:
        """What became of everything that was reported."""
        return self._event_queue.get_counts()

    def __repr__(self) -> str:
        return f"<mintmark.client.{type(self).__name__} {self._address.url}>"

    def _get_rng(self, *, explore: bool) -> random.Random | None:
        return self._rng if explore else None

    def _require_assistant(self, assistant: str | int | None) -> str | int:
        assistant_ref = assistant if assistant is not None else self._assistant
        if assistant_ref is None:
            raise ValueError("The best prompt for whom? Give assistant=… here or to the client.")
        return assistant_ref

    def _create_use(
        self, prompt: Prompt, *, ritual: str | int | None, assistant: str | int | None
    ) -> Use:
        selected_ritual = (
            prompt.selection.candidate.ritual if prompt.selection is not None else None
        )
        return Use(
            prompt=prompt,
            assistant=assistant if assistant is not None else self._assistant,
            ritual=ritual if ritual is not None else selected_ritual,
            event_queue=self._event_queue,
        )


def log_selection(prompt: Prompt) -> Prompt:
    """The same prompt; the log says why it was chosen."""
    if prompt.selection is not None:
        _log.info("Chose %s: %s", prompt.reference, prompt.selection.note)
    return prompt


def _read_env(name: str) -> str:
    return os.environ.get(name, "")


def _read_key() -> str:
    file = _read_env("MINTMARK_KEY_FILE")
    return Path(file).read_text().strip() if file else _read_env("MINTMARK_KEY").strip()
