"""Calls to an assistant: the request, the response, and why there was none."""

from dataclasses import dataclass, field
from typing import ClassVar, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMessage:
    """One turn; `role` is system, developer, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """One request. `prompt` (its digest), `case`, `frame` and `hints` (texts that the case's assertions look for) are
    for runners that are not a model, and are never sent."""

    messages: tuple[ModelMessage, ...]
    temperature: float
    max_tokens: int
    seed: int
    prompt: str = ""
    case: str = ""
    frame: int = 0
    hints: tuple[str, ...] = field(default=())

    @property
    def max_tokens_in(self) -> int:
        """An upper bound on the tokens of the messages: no tokenizer makes more tokens than bytes, and each turn adds a
        few."""
        return sum(len(message.content.encode(errors="replace")) + 16 for message in self.messages)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelResponse:
    """The response. Token counts are None if the endpoint did not report them."""

    text: str
    latency_ms: float
    tokens_in: int | None = None
    tokens_out: int | None = None


class CallFailed(Exception):
    """A call gave no reply. `code` is stable and `message` explains it, without quoting a text, an output or a key.

    `may_retry`: another attempt may succeed. `is_fatal`: every other call of this run would fail too. `may_have_cost`:
    the endpoint may have charged for it. `retry_after` is the wait that the endpoint asked for, in seconds.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        may_retry: bool = False,
        is_fatal: bool = False,
        may_have_cost: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.may_retry = may_retry
        self.is_fatal = is_fatal
        self.may_have_cost = may_have_cost
        self.retry_after = retry_after


class ModelRunner(Protocol):
    """A runner: one request gives one response, or raises `CallFailed`."""

    description: ClassVar[str]
    """What kind of runner it is, for people and for the note of its evidence."""

    async def answer(self, request: ModelRequest) -> ModelResponse: ...

    async def close(self) -> None: ...
