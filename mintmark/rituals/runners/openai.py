"""Endpoints with OpenAI's chat completions API: POST {base_url}/chat/completions.

https://platform.openai.com/docs/api-reference/chat/create; many servers of open models offer the same API.
"""

import asyncio
import json
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar

import httpx

from . import CallFailed, ModelRequest, ModelResponse

RETRYABLE_STATUSES = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
"""Statuses after which another attempt may succeed."""

FATAL_STATUSES = frozenset({401, 402, 403, 404, 405})
"""Statuses that every other call of the run would get too."""


class OpenAIRunner:
    """A runner that calls an endpoint. `key` is sent in the header of each call and used nowhere else."""

    description: ClassVar[str] = "an endpoint that speaks OpenAI's chat completions"

    def __init__(
        self, *, base_url: str, model: str, key: str, timeout_seconds: float, max_bytes: int
    ) -> None:
        self._url = base_url.rstrip("/") + "/chat/completions"
        self._model = model
        self._key = key
        self._timeout_seconds = timeout_seconds
        self._max_bytes = max_bytes
        # A proxy from the environment would see the requests; a redirect could lead to any host.
        self._client = httpx.AsyncClient(
            timeout=timeout_seconds,
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_connections=128, max_keepalive_connections=64),
        )

    async def answer(self, request: ModelRequest) -> ModelResponse:
        """One attempt, within the timeout even if the endpoint sends one byte at a time."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                status, headers, body = await self._post(request)
        except TimeoutError:
            raise CallFailed(
                "timed_out",
                f"there was no whole reply within {self._timeout_seconds:g} s",
                may_retry=True,
                may_have_cost=True,
            ) from None
        except httpx.TransportError as error:
            # httpx's errors hold the request, and with it the key, so only the class name is kept.
            sent = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
            raise CallFailed(
                "unreachable",
                f"the endpoint could not be reached, or broke off ({type(error).__name__})",
                may_retry=True,
                may_have_cost=sent,
            ) from None
        latency_ms = (time.monotonic() - began) * 1_000.0
        if status != 200:
            raise _build_status_error(status, headers)
        return _parse_response(body, latency_ms=latency_ms)

    async def close(self) -> None:
        await self._client.aclose()

    async def _post(self, request: ModelRequest) -> tuple[int, httpx.Headers, bytes]:
        payload = {
            "model": self._model,
            "messages": [
                {"role": message.role, "content": message.content} for message in request.messages
            ],
            "temperature": request.temperature,
            "max_tokens": request.max_tokens,
            "seed": request.seed,
            "stream": False,
        }
        headers = {"Accept-Encoding": "identity"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        async with self._client.stream(
            "POST", self._url, json=payload, headers=headers
        ) as response:
            # Nothing is decompressed: a few compressed bytes can become very many.
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise CallFailed(
                    "malformed_reply",
                    "the reply is compressed, which was not requested",
                    may_have_cost=True,
                )
            chunks, size = [], 0
            async for chunk in response.aiter_raw():
                size += len(chunk)
                if size > self._max_bytes:
                    raise CallFailed(
                        "reply_too_large",
                        f"the reply is larger than {self._max_bytes:,} bytes",
                        may_have_cost=True,
                    )
                chunks.append(chunk)
            return response.status_code, response.headers, b"".join(chunks)


def _build_status_error(status: int, headers: httpx.Headers) -> CallFailed:
    if 300 <= status < 400:
        return CallFailed(
            "redirected",
            f"the endpoint answered {status}: a redirect, which is not followed",
            is_fatal=True,
        )
    return CallFailed(
        "rate_limited" if status == 429 else f"status_{status}",
        f"the endpoint answered {status}",
        may_retry=status in RETRYABLE_STATUSES,
        is_fatal=status in FATAL_STATUSES,
        retry_after=_parse_retry_after(headers.get("Retry-After", "")),
    )


def _parse_retry_after(header: str) -> float | None:
    """The wait in seconds, from either form of RFC 9110: a number of seconds, or a date."""
    if header.isascii() and header.isdigit() and len(header) < 7:
        return float(header)
    try:
        retry_at = parsedate_to_datetime(header)
    except ValueError:
        return None
    retry_at = retry_at if retry_at.tzinfo is not None else retry_at.replace(tzinfo=UTC)
    return max(0.0, (retry_at - datetime.now(UTC)).total_seconds())


def _parse_response(body: bytes, *, latency_ms: float) -> ModelResponse:
    malformed = CallFailed(
        "malformed_reply",
        "the reply is not a chat completion",
        may_retry=True,
        may_have_cost=True,
    )
    try:
        data: Any = json.loads(body)
        message = data["choices"][0]["message"]
        text = message["content"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise malformed from None
    if text is None:  # a refusal or a tool call has no text
        text = message.get("refusal") or ""
    if not isinstance(text, str):
        raise malformed
    usage = data.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return ModelResponse(
        text=text.encode(errors="replace").decode().replace("\0", "�"),
        latency_ms=latency_ms,
        tokens_in=_parse_count(usage.get("prompt_tokens")),
        tokens_out=_parse_count(usage.get("completion_tokens")),
    )


def _parse_count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
        return None
    return value
