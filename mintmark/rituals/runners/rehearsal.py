"""A runner that is no language model, and says so in everything it says: for demonstrations and tests.

What it replies follows from SHA-256 of the prompt, the case and the frame, so the same run gives the same
replies everywhere. It looks at what the case's assertions look for, and holds some of it, more often for some prompts
than for others: enough to see a run, a frame and a score move, and of no other use.
"""

import hashlib
from typing import ClassVar

from . import Ask, Reply

NAME = "rehearsal"
_WORDS_A_TOKEN = 0.75
_LEAST, _MOST = 0.35, 0.95


class Rehearsal:
    """Made-up replies; nothing is sent anywhere."""

    says: ClassVar[str] = "a rehearsal: no language model, made-up replies"

    async def answer(self, ask: Ask) -> Reply:
        asked = "\n".join(one.content for one in ask.messages)
        text = self._text(ask)
        return Reply(
            text=text,
            latency_ms=100.0 + 400.0 * _drawn(asked, ask.case, ask.frame, "pace"),
            tokens_in=round(len(asked.split()) / _WORDS_A_TOKEN),
            tokens_out=round(len(text.split()) / _WORDS_A_TOKEN),
        )

    async def close(self) -> None:
        return None

    def _text(self, ask: Ask) -> str:
        skill = _LEAST + (_MOST - _LEAST) * _drawn(ask.prompt, "skill")
        luck = _drawn(ask.case, ask.frame, ask.temperature, ask.seed if ask.frame else 0, "luck")
        if ask.hints and luck < skill:
            return "\n".join(ask.hints)
        return "This is a rehearsal and no language model; it has nothing to say here."


def _drawn(*of: object) -> float:
    """A number in [0, 1)."""
    digest = hashlib.sha256("\x1f".join(map(str, of)).encode(errors="replace")).digest()
    return int.from_bytes(digest[:8]) / 2**64
