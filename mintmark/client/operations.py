"""What is asked, in which order, and what is made of the answers; sending is left to whoever drives a plan.

A plan yields requests and is sent their answers (or thrown what there was in the place of one), so that the plain
client and the asynchronous one follow the same rules.
"""

import random
from collections.abc import Generator, Mapping, Set
from dataclasses import dataclass, replace
from typing import Any

from . import cache, prompts, selection, transport
from .prompts import Prompt, PromptSource
from .transport import ApiRequest, ApiResponse

type Operation[T] = Generator[ApiRequest, ApiResponse, T]


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedResponse:
    """A body, when it was asked for, and how current it is."""

    body: Mapping[str, Any]
    requested_at: float
    source: PromptSource
    age_seconds: float = 0.0
    reason: str = ""


class Operations:
    """Plans over one cache. An answer is asked for again before each use, unless it was confirmed less than
    `fresh_seconds` ago; while the server is away one of the last `stale_seconds` may stand in."""

    def __init__(self, *, fresh_seconds: float, stale_seconds: float) -> None:
        self._fresh_seconds = fresh_seconds
        self._stale_seconds = stale_seconds
        self._cache = cache.ResponseCache()

    def get_prompt(self, reference: str, *, fallback: str | None) -> Operation[Prompt]:
        """The prompt that a reference names; the fallback wherever there is none to hand out."""
        try:
            return (yield from self._get_prompt(reference))
        except transport.MintmarkError as none:
            if fallback is None:
                raise
            return prompts.create_fallback(fallback, reason=str(none))

    def select_best(
        self,
        *,
        assistant: str | int,
        task: str,
        rng: random.Random | None,
        fallback: str | None,
        view: str = "public",
    ) -> Operation[Prompt]:
        """The prompt that an assistant can trust most on a task (or, with chance, one that may be that); else as
        `prompt`."""
        try:
            return (yield from self._select_best(str(assistant), task, rng, view))
        except transport.MintmarkError as none:
            if fallback is None:
                raise
            return prompts.create_fallback(fallback, reason=str(none))

    def _select_best(
        self, assistant: str, task: str, rng: random.Random | None, view: str
    ) -> Operation[Prompt]:
        query = {
            "assistant": assistant,
            "task": task,
            "order": "trust_low" if rng is None else "trust_high",
            "limit": str(selection.MAX_CANDIDATES),
        }
        if view != "public":
            query["view"] = view
        name = " ".join(("ranking", *query.values()))
        response = yield from self._fetch(name, "/ranking", query, selection.REQUIRED_MEMBERS)
        remaining = selection.parse_candidates(response.body)
        left_out_counts = selection.parse_left_out(response.body)
        while remaining:
            best_selection = selection.select(
                remaining,
                task=task,
                as_of=response.body["as_of"],
                policy=response.body["policy"],
                rng=rng,
                left_out=left_out_counts,
            )
            try:
                prompt = yield from self._get_prompt(best_selection.candidate.reference)
            except transport.Refused as refusal:
                if refusal.status == 401:
                    raise
                remaining.remove(best_selection.candidate)  # revoked since it was ranked
            else:
                return replace(prompt, selection=best_selection)
        gates = ", ".join(f"{gate} {count}" for gate, count in left_out_counts.items() if count)
        gate_note = f" Its gates keep some from it: {gates}." if gates else ""
        raise transport.Refused(
            f"There is no prompt for {task!r} that {assistant} and you may use.{gate_note}",
            code="not_found",
            status=404,
        )

    def _get_prompt(self, reference: str) -> Operation[Prompt]:
        name = f"prompt {reference}"
        response = yield from self._fetch(
            name, "/prompts/named", {"ref": reference}, prompts.REQUIRED_MEMBERS
        )
        try:
            return prompts.parse_prompt(
                response.body,
                source=response.source,
                age_seconds=response.age_seconds,
                reason=response.reason,
            )
        except transport.Refused:
            self._cache.drop(name, requested_at=response.requested_at)
            raise

    def _fetch(
        self, name: str, path: str, query: Mapping[str, str], members: Set[str]
    ) -> Operation[CachedResponse]:
        """The body at a path, which has these members: as the server tells it, or as it is held."""
        entry = self._cache.find(name)
        requested_at = cache.get_time()
        if entry is not None:
            age = requested_at - entry.requested_at
            if age < self._fresh_seconds:
                return CachedResponse(
                    body=entry.body, requested_at=requested_at, source="cached", age_seconds=age
                )
        try:
            response = yield ApiRequest(
                path=path, query=query, etag=entry.etag if entry is not None else ""
            )
            if not (entry if response.is_unchanged else members <= response.body.keys()):
                raise transport.Unavailable("What answered there is no Mintmark.")
        except transport.Unavailable as away:
            if entry is None:
                raise
            age = cache.get_time() - entry.requested_at
            # Another thread may have been refused meanwhile.
            if age > self._stale_seconds or self._cache.find(name) is None:
                raise
            return CachedResponse(
                body=entry.body,
                requested_at=requested_at,
                source="stale",
                age_seconds=age,
                reason=str(away),
            )
        except transport.Refused as refusal:
            if refusal.status == 401:
                self._cache.clear(requested_at=requested_at)
            self._cache.drop(name, requested_at=requested_at)
            raise
        if not response.is_unchanged:
            self._cache.store(name, response, requested_at=requested_at)
            return CachedResponse(body=response.body, requested_at=requested_at, source="server")
        assert entry is not None
        self._cache.confirm(name, requested_at=requested_at)
        return CachedResponse(body=entry.body, requested_at=requested_at, source="server")
