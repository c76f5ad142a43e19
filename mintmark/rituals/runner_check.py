"""A test call: does an assistant's endpoint answer? Nothing is recorded, and the reply is not shown: an endpoint may
repeat the API key that it received."""

import asyncio
from dataclasses import dataclass

from mintmark.accounts.callers import Caller
from mintmark.registry import assistants
from mintmark.registry.models import Assistant

from . import runner_settings
from .models import RunnerSettings
from .runner_settings import InvalidRunner
from .runners import CallFailed, ModelMessage, ModelRequest, ModelResponse, ModelRunner

MAX_SECONDS = 20.0
"""The timeout in seconds, shorter than that of a run, since a person waits for it."""
_TEST_MESSAGE = "This is a test of the connection. Answer with the one word: ready"
_MAX_TOKENS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerCheck:
    """The result of a test call. `problem` is a stable code and `message` explains it; both are "" after a reply."""

    model: str
    problem: str = ""
    message: str = ""
    latency_ms: float | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None

    @property
    def answers(self) -> bool:
        return not self.problem


def check_runner(
    *, caller: Caller, assistant: Assistant, seconds: float = MAX_SECONDS
) -> RunnerCheck:
    """Send one short question to an assistant's endpoint, once. The caller must be an operator of its team.

    `seconds` is the timeout. Raises `InvalidRunner` if there is no endpoint to call, or if its API key is not set here.
    """
    caller.require_scope("registry")
    assistants.require_operator(caller=caller, team_id=assistant.team_id)
    runner = runner_settings.get_runner_settings(assistant=assistant)
    if runner.kind != RunnerSettings.Kind.OPENAI:
        raise InvalidRunner(
            f"{assistant} is reached as {runner.get_kind_display()}: there is no endpoint to test."
        )
    runner.timeout_seconds = min(runner.timeout_seconds, seconds)
    try:
        response = asyncio.run(_send_test_request(runner_settings.build_runner(runner)))
    except CallFailed as error:
        return RunnerCheck(model=runner.model, problem=error.code, message=error.message)
    return RunnerCheck(
        model=runner.model,
        latency_ms=response.latency_ms,
        tokens_in=response.tokens_in,
        tokens_out=response.tokens_out,
    )


async def _send_test_request(endpoint: ModelRunner) -> ModelResponse:
    request = ModelRequest(
        messages=(ModelMessage(role="user", content=_TEST_MESSAGE),),
        temperature=0.0,
        max_tokens=_MAX_TOKENS,
        seed=0,
    )
    try:
        return await endpoint.answer(request)
    finally:
        await endpoint.close()
