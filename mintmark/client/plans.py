"""What is asked, in which order, and what is made of the answers; sending is left to whoever drives a plan.

A plan yields requests and is sent their answers (or thrown what there was in the place of one), so that the plain
client and the asynchronous one follow the same rules.
"""

import random
from collections.abc import Generator, Mapping, Set
from dataclasses import dataclass, replace
from typing import Any

from . import cache, choices, prompts, wire
from .prompts import Prompt, Source
from .wire import Answer, Request

type Plan[T] = Generator[Request, Answer, T]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A body, when it was asked for, and how current it is."""

    body: Mapping[str, Any]
    asked: float
    source: Source
    age_seconds: float = 0.0
    why: str = ""


class Plans:
    """Plans over one cache. An answer is asked for again before each use, unless it was confirmed less than
    `fresh_seconds` ago; while the server is away one of the last `stale_seconds` may stand in."""

    def __init__(self, *, fresh_seconds: float, stale_seconds: float) -> None:
        self._fresh_seconds = fresh_seconds
        self._stale_seconds = stale_seconds
        self._cache = cache.Cache()

    def prompt(self, reference: str, *, fallback: str | None) -> Plan[Prompt]:
        """The prompt that a reference names; the fallback wherever there is none to hand out."""
        try:
            return (yield from self._prompt(reference))
        except wire.MintmarkError as none:
            if fallback is None:
                raise
            return prompts.fallback(fallback, why=str(none))

    def best(
        self, *, assistant: str | int, task: str, rng: random.Random | None, fallback: str | None
    ) -> Plan[Prompt]:
        """The prompt that an assistant can trust most on a task (or, with chance, one that may be that); else as
        `prompt`."""
        try:
            return (yield from self._best(str(assistant), task, rng))
        except wire.MintmarkError as none:
            if fallback is None:
                raise
            return prompts.fallback(fallback, why=str(none))

    def _best(self, assistant: str, task: str, rng: random.Random | None) -> Plan[Prompt]:
        query = {
            "assistant": assistant,
            "task": task,
            "order": "trust_low" if rng is None else "trust_high",
            "limit": str(choices.MOST),
        }
        name = " ".join(("ranking", *query.values()))
        reading = yield from self._read(name, "/ranking", query, choices.MEMBERS)
        left = choices.candidates(reading.body)
        kept_out = choices.left_out(reading.body)
        while left:
            choice = choices.chosen(
                left,
                task=task,
                as_of=reading.body["as_of"],
                policy=reading.body["policy"],
                rng=rng,
                left_out=kept_out,
            )
            try:
                prompt = yield from self._prompt(choice.candidate.reference)
            except wire.Refused as refusal:
                if refusal.status == 401:
                    raise
                left.remove(choice.candidate)  # revoked since it was ranked
            else:
                return replace(prompt, choice=choice)
        gates = ", ".join(f"{gate} {count}" for gate, count in kept_out.items() if count)
        why = f" Its gates keep some from it: {gates}." if gates else ""
        raise wire.Refused(
            f"There is no prompt for {task!r} that {assistant} and you may use.{why}",
            code="not_found",
            status=404,
        )

    def _prompt(self, reference: str) -> Plan[Prompt]:
        name = f"prompt {reference}"
        reading = yield from self._read(name, "/prompts/named", {"ref": reference}, prompts.MEMBERS)
        try:
            return prompts.read(
                reading.body,
                source=reading.source,
                age_seconds=reading.age_seconds,
                why=reading.why,
            )
        except wire.Refused:
            self._cache.drop(name, asked=reading.asked)
            raise

    def _read(
        self, name: str, path: str, query: Mapping[str, str], members: Set[str]
    ) -> Plan[Reading]:
        """The body at a path, which has these members: as the server tells it, or as it is held."""
        held = self._cache.held(name)
        asked = cache.clock()
        if held is not None:
            age = asked - held.asked
            if age < self._fresh_seconds:
                return Reading(body=held.body, asked=asked, source="kept", age_seconds=age)
        try:
            answer = yield Request(
                path=path, query=query, etag=held.etag if held is not None else ""
            )
            if not (held if answer.is_unchanged else members <= answer.body.keys()):
                raise wire.Unavailable("What answered there is no Mintmark.")
        except wire.Unavailable as away:
            if held is None:
                raise
            age = cache.clock() - held.asked
            # Another thread may have been refused meanwhile.
            if age > self._stale_seconds or self._cache.held(name) is None:
                raise
            return Reading(
                body=held.body, asked=asked, source="stale", age_seconds=age, why=str(away)
            )
        except wire.Refused as refusal:
            if refusal.status == 401:
                self._cache.clear(asked=asked)
            self._cache.drop(name, asked=asked)
            raise
        if not answer.is_unchanged:
            self._cache.keep(name, answer, asked=asked)
            return Reading(body=answer.body, asked=asked, source="server")
        assert held is not None
        self._cache.confirm(name, asked=asked)
        return Reading(body=held.body, asked=asked, source="server")
