"""A runner that is not a language model, and says so in each reply: for demonstrations and tests.

Replies are computed from the SHA-256 of prompt, case and frame, so the same run gives the same replies everywhere. A
reply includes some of what the case's assertions look for, more often for some prompts than for others: enough to show
runs, frames and changing scores, and of no other use.
"""

import hashlib
from typing import ClassVar

from . import ModelRequest, ModelResponse

NAME = "rehearsal"
_WORDS_PER_TOKEN = 0.75
_MIN_SKILL, _MAX_SKILL = 0.35, 0.95


class RehearsalRunner:
    """Made-up replies; nothing is sent anywhere."""

    description: ClassVar[str] = "a rehearsal: no language model, made-up replies"

    async def answer(self, request: ModelRequest) -> ModelResponse:
        prompt_text = "\n".join(message.content for message in request.messages)
        text = self._compose_text(request)
        return ModelResponse(
            text=text,
            latency_ms=100.0
            + 400.0 * _draw_fraction(prompt_text, request.case, request.frame, "pace"),
            tokens_in=round(len(prompt_text.split()) / _WORDS_PER_TOKEN),
            tokens_out=round(len(text.split()) / _WORDS_PER_TOKEN),
        )

    async def close(self) -> None:
        return None

    def _compose_text(self, request: ModelRequest) -> str:
        skill = _MIN_SKILL + (_MAX_SKILL - _MIN_SKILL) * _draw_fraction(request.prompt, "skill")
        luck = _draw_fraction(
            request.case,
            request.frame,
            request.temperature,
            request.seed if request.frame else 0,
            "luck",
        )
        if request.hints and luck < skill:
            return "\n".join(request.hints)
        return "This is a rehearsal and no language model; it has nothing to say here."


def _draw_fraction(*parts: object) -> float:
    """A number in [0, 1)."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode(errors="replace")).digest()
    return int.from_bytes(digest[:8]) / 2**64
