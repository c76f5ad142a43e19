"""`mintmark export langfuse`: lines of prompts into Langfuse's, labels with them, measured outcomes as scores.

Langfuse numbers versions itself, so each carries the reference and digest that it has here in its config, by which a
second export finds it again. The log keeps no trace, so an outcome is one of its own: a generation that is linked to
the version, with one score. Ids of both are made of the event's digest, so that sending them again changes nothing.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import batched, groupby
from typing import Any
from urllib.parse import quote

from mintmark.accounts.models import Team
from mintmark.core import errors
from mintmark.evidence.models import Event
from mintmark.registry.models import Label, Prompt

from . import departures, langfuse_api, langfuse_store, registries, reports
from .registries import LANGFUSE

CONFIG = "mintmark"
"""The member of a version's config that says what the version is here."""
ENVIRONMENT = "mintmark"
LONGEST_LABEL = 36
_SCORES_AT_ONCE = 50
_PROMPTS = "/api/public/v2/prompts"
_COMPOSED = "@@@langfusePrompt:"


@dataclass(kw_only=True)
class Sent:
    """What an export wrote, or (`dry_run`) would, and what was there already."""

    address: str
    dry_run: bool
    versions: int = 0
    unchanged: int = 0
    labels: int = 0
    scores: int = 0
    repeated: int = 0
    refused: list[errors.Row] = field(default_factory=list)

    def refuse(self, place: str, name: str, value: object, message: str) -> None:
        """Note what could not be sent, and why."""
        self.refused.append(
            reports.Place(row=len(self.refused), field=name, value=value, message=message, file=place)
        )  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """For `--json`: plain types only."""
        return {
            "address": self.address,
            "dry_run": self.dry_run,
            "versions": {"registered": self.versions, "unchanged": self.unchanged},
            "labels": self.labels,
            "scores": {"logged": self.scores, "repeated": self.repeated},
            "refused": [dict(row) for row in self.refused],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Version:
    """A prompt's version there: its number is None where it would be made, `labels` are those that stand there."""

    prompt: Prompt
    name: str
    number: int | None
    labels: frozenset[str]


def send(
    *,
    address: str,
    namespace: str,
    team: Team,
    with_scores: bool = True,
    dry_run: bool = False,
    progress: reports.Progress = lambda done, total: None,
) -> Sent:
    """Write the lines of a namespace to a project of Langfuse: of them what `team` may use. Again changes nothing.

    Raises `not_found` where the namespace has no prompt, `missing_keys`, and `export_stopped` where the server can't be
    reached, refuses the keys or answers with what its API does not document.
    """
    found = departures.prompts(namespace=namespace)
    sent = Sent(address=address, dry_run=dry_run)

    def failed(path: str, why: str) -> errors.Refusal:
        return departures.Stopped(path if path.startswith("the ") else f"Langfuse, {path}", why)

    with langfuse_api.opened(address, failed=failed) as api:
        sender = _Sender(api=api, sent=sent)
        versions = list(sender.versions(found, team=team, progress=progress))
        sender.label(versions)
        if with_scores:
            sender.score(versions, progress=progress)
    return sent


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sender:
    api: langfuse_api.Api
    sent: Sent

    def versions(
        self, found: Sequence[Prompt], *, team: Team, progress: reports.Progress
    ) -> Iterator[_Version]:
        """The version of each prompt that may go out, made where it is not there."""
        heads = {
            head["name"]: head
            for head in self.api.pages(_PROMPTS)
            if isinstance(head, Mapping) and isinstance(head.get("name"), str)
        }
        may_use = departures.may_leave(team=team, namespace=found[0].namespace)
        done = 0
        for _, line in groupby(found, key=lambda one: one.name):
            revisions = list(line)
            name = departures.line_of(revisions[0], tool=LANGFUSE)
            there = _There(list(self.api.versions(heads[name])) if name in heads else [])
            for prompt in revisions:
                done += 1
                progress(done, len(found))
                if (
                    version := self._version(prompt, name=name, there=there, may_use=may_use)
                ) is not None:
                    yield version  # fmt: skip

    def _version(
        self, prompt: Prompt, *, name: str, there: "_There", may_use: set[int]
    ) -> _Version | None:
        body = _body(prompt, name=name)
        before = there.find(prompt, body)
        if hasattr(prompt, "tombstone"):
            if before is not None:
                message = (
                    "It was withdrawn here and stands in Langfuse still: delete that version there."
                )
                self.sent.refuse(prompt.reference, "version", before["version"], message)
            return None
        if prompt.pk not in may_use:
            self.sent.refuse(prompt.reference, "text", None, departures.KEPT)
            return None
        if _COMPOSED in prompt.text:
            message = "Langfuse would put another prompt in here: take it out of the text."
            self.sent.refuse(prompt.reference, "text", _COMPOSED, message)
            return None
        if before is None:
            return self._made(prompt, body)
        if _ours(before).get("digest", _digest(prompt)) != _digest(prompt):
            message = (
                "Another installation wrote another text under this reference: use another project."
            )
            self.sent.refuse(prompt.reference, "version", before["version"], message)
            return None
        self.sent.unchanged += 1
        labels = before.get("labels")
        return _Version(
            prompt=prompt,
            name=name,
            number=before["version"],
            labels=frozenset(labels if isinstance(labels, list) else ()),
        )

    def _made(self, prompt: Prompt, body: Mapping[str, Any]) -> _Version | None:
        number = None
        if not self.sent.dry_run:
            made, why = self.api.send("POST", _PROMPTS, body, is_once=True)
            if why:
                self.sent.refuse(prompt.reference, "prompt", None, why)
                return None
            number = made.get("version") if isinstance(made, Mapping) else None
            if not isinstance(number, int):
                raise self.api.failed(_PROMPTS, "It took a prompt and did not say its version.")
        self.sent.versions += 1
        return _Version(prompt=prompt, name=body["name"], number=number, labels=frozenset())

    def label(self, versions: Sequence[_Version]) -> None:
        """Move labels to where they stand here; others stay where they are."""
        by_prompt = {one.prompt.pk: one for one in versions}
        here: dict[str, dict[str, int]] = defaultdict(dict)
        for label in Label.objects.filter(prompt__in=by_prompt).order_by("label"):
            here[by_prompt[label.prompt_id].name][label.label] = label.prompt_id
        for version in versions:
            line = here[version.name]
            to_move = {
                label
                for label, prompt in line.items()
                if prompt == version.prompt.pk
                and label not in version.labels
                and self._may_be_label(label, version.prompt)
            }
            if not to_move:
                continue
            if not self.sent.dry_run:
                kept = version.labels - line.keys() - {langfuse_store.KEPT_BY_ITSELF}
                path = f"{_PROMPTS}/{quote(version.name, safe='')}/versions/{version.number}"
                _, why = self.api.send("PATCH", path, {"newLabels": sorted(to_move | kept)})
                if why:
                    shown = ", ".join(sorted(to_move))
                    self.sent.refuse(version.prompt.reference, "label", shown, why)
                    continue
            self.sent.labels += len(to_move)

    def _may_be_label(self, label: str, prompt: Prompt) -> bool:
        if label == langfuse_store.KEPT_BY_ITSELF:
            message = "Langfuse keeps this label for itself: it is always the newest version's."
        elif len(label) > LONGEST_LABEL:
            message = f"Langfuse takes labels of at most {LONGEST_LABEL} characters."
        else:
            return True
        self.sent.refuse(prompt.reference, "label", label, message)
        return False

    def score(self, versions: Sequence[_Version], *, progress: reports.Progress) -> None:
        """Send what was measured and is not there."""
        by_prompt = {one.prompt.pk: one for one in versions}
        events = departures.outcomes(of=by_prompt, tool=LANGFUSE)
        total, done = events.count(), 0
        for some in batched(events.iterator(chunk_size=_SCORES_AT_ONCE), _SCORES_AT_ONCE):
            kept = self._kept([_score_id(event) for event in some])
            new = [event for event in some if _score_id(event) not in kept]
            self.sent.repeated += len(some) - len(new)
            if self.sent.dry_run:
                self.sent.scores += len(new)
            elif new:
                self._send_scores(new, by_prompt)
            done += len(some)
            progress(done, total)

    def _kept(self, ids: Sequence[str]) -> set[str]:
        rows = self.api.pages("/api/public/v2/scores", scoreIds=",".join(ids))
        return {row["id"] for row in rows if isinstance(row, Mapping) and isinstance(row.get("id"), str)}  # fmt: skip

    def _send_scores(self, events: Sequence[Event], by_prompt: Mapping[int, _Version]) -> None:
        spans = [_span(event, by_prompt[event.prompt_id]) for event in events]
        path = "/api/public/otel/v1/traces"
        _, why = self.api.send("POST", path, _export_of(spans))
        if why:
            raise self.api.failed(path, why)
        for event in events:
            _, why = self.api.send("POST", "/api/public/scores", _score(event))
            if why:
                self.sent.refuse(f"event {event.pk}", "score", event.score, why)
            else:
                self.sent.scores += 1


class _There:
    """The versions of a line that stand there, each to be found once: by its reference, else by the same text."""

    def __init__(self, raw: Sequence[Any]) -> None:
        self.raw = {
            one["version"]: one
            for one in raw
            if isinstance(one, Mapping) and isinstance(one.get("version"), int)
        }
        read = langfuse_store.read(_lists(raw), name="langfuse").versions
        self.texts = {one.number: one.text for one in read}
        self.by_reference = {
            reference: one
            for one in self.raw.values()
            if (reference := _ours(one).get("reference"))
        }

    def find(self, prompt: Prompt, body: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The version that this prompt is, if it is there."""
        if (known := self.by_reference.get(prompt.reference)) is not None:
            return known
        (as_read,) = langfuse_store.read(_lists([{**body, "version": 1}]), name="").versions or (
            None,
        )
        if as_read is None:
            return None
        same = [
            number
            for number, text in self.texts.items()
            if text == as_read.text and not _ours(self.raw[number]).get("reference")
        ]
        if not same:
            return None
        number = prompt.revision if prompt.revision in same else min(same)
        del self.texts[number]
        return self.raw[number]


def _lists(prompts: Sequence[Any]) -> langfuse_api.Lists:
    return {name: [] for name in langfuse_api.LISTS} | {"prompts": list(prompts)}


def _ours(version: Mapping[str, Any]) -> Mapping[str, str]:
    """What a version's config says of what it is here."""
    config = version.get("config")
    said = config.get(CONFIG) if isinstance(config, Mapping) else None
    if not isinstance(said, Mapping):
        return {}
    return {key: one for key, one in said.items() if isinstance(one, str)}


def _digest(prompt: Prompt) -> str:
    return f"sha256:{prompt.digest}"


def _body(prompt: Prompt, *, name: str) -> dict[str, Any]:
    template = departures.template(prompt)
    return {
        "name": name,
        "type": "text" if isinstance(template, str) else "chat",
        "prompt": template,
        "config": {CONFIG: {"reference": prompt.reference, "digest": _digest(prompt)}},
        "labels": [],
        "tags": list(prompt.tags),
        "commitMessage": prompt.mutation_note or None,
    }


def _of(event: Event, what: str) -> str:
    return hashlib.sha256(f"mintmark {what} ".encode() + bytes(event.digest)).hexdigest()


def _trace_id(event: Event) -> str:
    return _of(event, "trace")[:32]


def _span_id(event: Event) -> str:
    return _of(event, "span")[:16]


def _score_id(event: Event) -> str:
    return f"mintmark-{_of(event, 'score')[:32]}"


def _span(event: Event, version: _Version) -> dict[str, Any]:
    assert event.assistant is not None
    at = str(int(event.occurred_at.timestamp() * 1_000_000) * 1_000)
    said: dict[str, str | int] = {
        "langfuse.trace.name": event.assistant.name,
        "langfuse.environment": ENVIRONMENT,
        "langfuse.observation.type": "generation",
        "langfuse.observation.prompt.name": version.name,
        "langfuse.observation.prompt.version": version.number or 0,
    }
    return {
        "traceId": _trace_id(event),
        "spanId": _span_id(event),
        "name": event.assistant.name,
        "kind": 1,
        "startTimeUnixNano": at,
        "endTimeUnixNano": at,
        "attributes": [
            {"key": key, "value": {"intValue" if isinstance(value, int) else "stringValue": value}}
            for key, value in said.items()
        ],
        "status": {},
    }


def _export_of(spans: Sequence[Any]) -> dict[str, Any]:
    service = {"key": "service.name", "value": {"stringValue": "mintmark"}}
    scopes = [{"scope": {"name": "mintmark"}, "spans": list(spans)}]
    return {"resourceSpans": [{"resource": {"attributes": [service]}, "scopeSpans": scopes}]}


def _score(event: Event) -> dict[str, Any]:
    assert event.ritual is not None
    return {
        "id": _score_id(event),
        "traceId": _trace_id(event),
        "observationId": _span_id(event),
        "name": event.ritual.name,
        "value": event.score,
        "dataType": "NUMERIC",
        "environment": ENVIRONMENT,
        "metadata": {
            registries.SENT: registries.mark(event),
            "runs": event.runs,
            "ritual": str(event.ritual),
            "occurred_at": event.occurred_at.isoformat(),
        },
    }
