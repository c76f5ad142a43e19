"""A test call: whether an assistant's endpoint answers, asked once. Nothing of it is recorded, and no reply is shown:
an endpoint may repeat the key that it was called with."""

import asyncio
from dataclasses import dataclass

from mintmark.accounts.callers import Caller
from mintmark.registry import assistants
from mintmark.registry.models import Assistant

from . import configurations
from .configurations import InvalidRunner
from .models import Runner
from .runners import Answering, Ask, CallFailed, Message, Reply

LONGEST_SECONDS = 20.0
"""A person waits for it, whatever a run would wait for."""
_WORDS = "This is a test of the connection. Answer with the one word: ready"
_MOST_TOKENS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of it. `problem` is a stable code and `says` why there was no reply; both "" where there was one."""

    model: str
    problem: str = ""
    says: str = ""
    latency_ms: float | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None

    @property
    def answers(self) -> bool:
        return not self.problem


def call(*, caller: Caller, assistant: Assistant, seconds: float = LONGEST_SECONDS) -> Trial:
    """Ask an assistant's endpoint for one word, once, within so many seconds. It takes an operator of its team.

    `InvalidRunner` where there is no endpoint to ask, or its key is not here.
    """
    caller.require_scope("registry")
    assistants.require_operator(caller=caller, team_id=assistant.team_id)
    runner = configurations.of(assistant=assistant)
    if runner.kind != Runner.Kind.OPENAI:
        raise InvalidRunner(
            f"{assistant} is reached as {runner.get_kind_display()}: there is no endpoint to try."
        )
    runner.timeout_seconds = min(runner.timeout_seconds, seconds)
    try:
        reply = asyncio.run(_asked(configurations.made(runner)))
    except CallFailed as failed:
        return Trial(model=runner.model, problem=failed.code, says=failed.says)
    return Trial(
        model=runner.model,
        latency_ms=reply.latency_ms,
        tokens_in=reply.tokens_in,
        tokens_out=reply.tokens_out,
    )


async def _asked(endpoint: Answering) -> Reply:
    ask = Ask(
        messages=(Message(role="user", content=_WORDS),),
        temperature=0.0,
        max_tokens=_MOST_TOKENS,
        seed=0,
    )
    try:
        return await endpoint.answer(ask)
    finally:
        await endpoint.close()
