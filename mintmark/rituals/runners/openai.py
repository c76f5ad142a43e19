"""Any endpoint that speaks OpenAI's chat completions: POST {base_url}/chat/completions.

https://platform.openai.com/docs/api-reference/chat/create; many servers of open models speak the same.
"""

import asyncio
import json
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar

import httpx

from . import Ask, CallFailed, Reply

RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
"""Statuses after which another attempt may succeed."""

REFUSED_FOR_GOOD = frozenset({401, 402, 403, 404, 405})
"""Statuses that every other call of the run would get as well."""


class OpenAI:
    """An endpoint. `key` goes into the header of each call and nowhere else."""

    says: ClassVar[str] = "an endpoint that speaks OpenAI's chat completions"

    def __init__(
        self, *, base_url: str, model: str, key: str, timeout_seconds: float, most_bytes: int
    ) -> None:
        self._url = base_url.rstrip("/") + "/chat/completions"
        self._model = model
        self._key = key
        self._timeout_seconds = timeout_seconds
        self._most_bytes = most_bytes
        # Proxies of the environment would see what is asked; a redirect could lead to anybody.
        self._client = httpx.AsyncClient(
            timeout=timeout_seconds,
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_connections=128, max_keepalive_connections=64),
        )

    async def answer(self, ask: Ask) -> Reply:
        """One attempt, within the deadline whatever the endpoint does, a byte at a time included."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                status, headers, body = await self._posted(ask)
        except TimeoutError:
            raise CallFailed(
                "timed_out",
                f"there was no whole reply within {self._timeout_seconds:g} s",
                may_retry=True,
                may_have_cost=True,
            ) from None
        except httpx.TransportError as failed:
            # What httpx raises carries the request, and so the key: its name alone goes on.
            sent = not isinstance(failed, httpx.ConnectError | httpx.ConnectTimeout)
            raise CallFailed(
                "unreachable",
                f"the endpoint could not be reached, or broke off ({type(failed).__name__})",
                may_retry=True,
                may_have_cost=sent,
            ) from None
        latency_ms = (time.monotonic() - began) * 1_000.0
        if status != 200:
            raise _refused(status, headers)
        return _reply(body, latency_ms=latency_ms)

    async def close(self) -> None:
        await self._client.aclose()

    async def _posted(self, ask: Ask) -> tuple[int, httpx.Headers, bytes]:
        payload = {
            "model": self._model,
            "messages": [{"role": one.role, "content": one.content} for one in ask.messages],
            "temperature": ask.temperature,
            "max_tokens": ask.max_tokens,
            "seed": ask.seed,
            "stream": False,
        }
        headers = {"Accept-Encoding": "identity"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        async with self._client.stream(
            "POST", self._url, json=payload, headers=headers
        ) as response:
            # Nothing is unfolded: a few bytes that are compressed may be a great many.
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise CallFailed(
                    "malformed_reply", "the reply is compressed, unasked", may_have_cost=True
                )
            parts, size = [], 0
            async for part in response.aiter_raw():
                size += len(part)
                if size > self._most_bytes:
                    raise CallFailed(
                        "reply_too_large",
                        f"the reply is larger than {self._most_bytes:,} bytes",
                        may_have_cost=True,
                    )
                parts.append(part)
            return response.status_code, response.headers, b"".join(parts)


def _refused(status: int, headers: httpx.Headers) -> CallFailed:
    if 300 <= status < 400:
        return CallFailed(
            "redirected",
            f"the endpoint answered {status}: it leads elsewhere, and is not followed",
            is_fatal=True,
        )
    return CallFailed(
        "rate_limited" if status == 429 else f"status_{status}",
        f"the endpoint answered {status}",
        may_retry=status in RETRIED,
        is_fatal=status in REFUSED_FOR_GOOD,
        retry_after=_retry_after(headers.get("Retry-After", "")),
    )


def _retry_after(said: str) -> float | None:
    """Seconds, from RFC 9110's two forms: a number, or a date."""
    if said.isascii() and said.isdigit() and len(said) < 7:
        return float(said)
    try:
        at = parsedate_to_datetime(said)
    except ValueError:
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())


def _reply(body: bytes, *, latency_ms: float) -> Reply:
    malformed = CallFailed(
        "malformed_reply",
        "the reply is no chat completion",
        may_retry=True,
        may_have_cost=True,
    )
    try:
        found: Any = json.loads(body)
        message = found["choices"][0]["message"]
        text = message["content"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise malformed from None
    if text is None:  # an answer that is a refusal, or calls for tools, says nothing
        text = message.get("refusal") or ""
    if not isinstance(text, str):
        raise malformed
    usage = found.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return Reply(
        text=text.encode(errors="replace").decode().replace("\0", "�"),
        latency_ms=latency_ms,
        tokens_in=_count(usage.get("prompt_tokens")),
        tokens_out=_count(usage.get("completion_tokens")),
    )


def _count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
        return None
    return value
