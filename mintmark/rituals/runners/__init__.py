"""How an assistant is asked: what goes out, what comes back, and why nothing did."""

from dataclasses import dataclass, field
from typing import ClassVar, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMessage:
    """One turn; `role` is system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """One call. `prompt` (its digest), `case`, `frame` and `hints` (texts that the case's assertions look for) are for
    runners that are no model, and are never sent anywhere."""

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
        """A bound of what the messages count: no tokenizer makes more tokens than bytes, and a turn has a few marks."""
        return sum(len(message.content.encode(errors="replace")) + 16 for message in self.messages)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelResponse:
    """What came back. The counts are None where the endpoint did not tell them."""

    text: str
    latency_ms: float
    tokens_in: int | None = None
    tokens_out: int | None = None


class CallFailed(Exception):
    """A call gave no reply. `code` is stable and `says` in words why, never with a text, an output or a key in it.

    `may_retry`: another attempt may succeed. `is_fatal`: no other call of this run will. `may_have_cost`: the endpoint
    may have charged for it. `retry_after` is what it asked for, in seconds.
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
    """A runner: one call, one reply, or `CallFailed`."""

    description: ClassVar[str]
    """What it is, for people and for the note of its evidence."""

    async def answer(self, request: ModelRequest) -> ModelResponse: ...

    async def close(self) -> None: ...
