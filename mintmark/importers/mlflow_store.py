"""MLflow's prompts and feedback, read through its own client from any store that it opens: a file of SQLite, a server.

Needs the extra `mintmark[mlflow]`. Only what a version or an assessment says is read; the store is not written to.
"""

import json
import logging
import math
import os
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mintmark.core import errors

from . import chats, reports, templates
from .registries import SENT, Feedback, Registry, Version

_PAGE = 500
_PAGE_OF_EXPERIMENTS = 1_000
_HEADER = b"SQLite format 3\0"
_LINKED = "mlflow.linkedPrompts"
_TRACE_NAME = "mlflow.traceName"
ASSISTANT_TAG = "mintmark.assistant"
_SAID = {"yes": 1.0, "no": 0.0, "pass": 1.0, "fail": 0.0, "true": 1.0, "false": 0.0}


def client(*, store: str, must_exist: bool = True) -> tuple[Any, str]:
    """MLflow's client for a store and the store's address: an address as MLflow takes it, or the path of a SQLite file.

    Raises `missing_extra` where MLflow is not installed, `UnreadableSource` where there is no such file.
    """
    address = store
    if store.startswith("sqlite:///") or "://" not in store:
        path = Path(store.removeprefix("sqlite:///")).absolute()
        if must_exist or path.exists():
            _require_sqlite(path, store=store)
        address = f"sqlite:///{path}"
    # Nothing of what is read here is to be told elsewhere.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        from mlflow import MlflowClient
    except ImportError as missing:
        raise errors.MissingExtra(
            "MLflow is not installed here: install Mintmark with its extra, as `mintmark[mlflow]`."
        ) from missing
    return MlflowClient(tracking_uri=address, registry_uri=address), address


def read(*, store: str, experiments: Sequence[str] = ()) -> Registry:
    """The prompts of a store and the feedback of its experiments (all of them, or those named).

    A version or an assessment that can't be used is refused by itself. Raises `UnreadableSource` where the store can't
    be read, an experiment is not there, or there is no prompt in it.
    """
    reader = _Reader(store)
    try:
        opened, _ = client(store=store)
        versions = list(reader.versions(opened))
        if not versions and not reader.refused:
            raise _broken(store, "There is no prompt in its registry.")
        feedback = list(reader.feedback(opened, experiments))
    except errors.Refusal:
        raise
    except Exception as failed:  # MLflow's own, its database's, its server's: it says no which
        said = shown(" ".join(str(failed).split())[:300])
        raise _broken(store, f"MLflow can't read it: {type(failed).__name__}: {said}") from failed
    return Registry(
        name=shown(store),
        versions=versions,
        feedback=feedback,
        refused=reader.refused,
        read={
            "prompts": len({one.name for one in versions}),
            "versions": len(versions),
            "traces": reader.traces,
            "feedback": len(feedback),
        },
    )


class _Reader:
    """Reads page by page and collects what can't be used."""

    def __init__(self, store: str) -> None:
        self.store = store
        self.refused: list[errors.Row] = []
        self.traces = 0

    def refuse(self, place: str, field: str, value: object, message: str) -> None:
        self.refused.append(
            reports.Place(
                row=len(self.refused), field=field, value=value, message=message, file=place
            )
        )

    def versions(self, opened: Any) -> Iterator[Version]:
        for prompt in sorted(pages(opened.search_prompts), key=lambda one: one.name):
            found = pages(opened.search_prompt_versions, prompt.name)
            for version in sorted(found, key=lambda one: one.version):
                # The list leaves the aliases out.
                whole = opened.get_prompt_version(prompt.name, str(version.version))
                if (one := self._version(whole)) is not None:
                    yield one

    def _version(self, version: Any) -> Version | None:
        place = f"prompts:/{version.name}/{version.version}"
        try:
            template, is_chat = _text(version.template)
        except (chats.Ambiguous, ValueError) as why:
            self.refuse(place, "template", None, f"{str(why)[:300]}.")
            return None
        text = templates.mapped(template, language="jinja2")
        for one in text.unmapped:
            message = f"line {one.line}: {one.what} has no meaning here: {one.why}."
            self.refuse(place, "template", one.what, message)
        if text.unmapped:
            return None
        tags = [f"{key}:{value}"[:100] for key, value in sorted(version.tags.items())]
        return Version(
            name=version.name,
            number=int(version.version),
            text=text.text,
            variables=text.variables,
            is_chat=is_chat,
            message=version.commit_message or "",
            tags=tuple(tag for tag in tags if not tag.startswith(("mlflow.", "_mlflow", "mintmark."))),
            aliases=sorted(version.aliases),
        )  # fmt: skip

    def feedback(self, opened: Any, experiments: Sequence[str]) -> Iterator[Feedback]:
        there = {
            one.name: one.experiment_id for one in pages(opened.search_experiments, size=_PAGE_OF_EXPERIMENTS)
        }  # fmt: skip
        for name in experiments:
            if name not in there:
                raise _broken(self.store, f"There is no experiment {name!r} in it.")
        for name in sorted(experiments or there):
            search = pages(opened.search_traces, locations=[there[name]], include_spans=False)
            for trace in search:
                self.traces += 1
                yield from self._of_trace(trace.info)

    def _of_trace(self, info: Any) -> Iterator[Feedback]:
        linked = _linked(info.tags.get(_LINKED))
        assistant = info.tags.get(ASSISTANT_TAG) or info.tags.get(_TRACE_NAME) or ""
        for one in info.assessments:
            # Expectations are what was hoped for; an override leaves what it replaced behind.
            if getattr(one, "feedback", None) is None or one.valid is False:
                continue
            place = f"{info.trace_id}, {one.name}"
            score = _score(one.feedback.value)
            if one.feedback.error is not None:
                self.refuse(place, "error", None, "The assessment failed, so it says nothing.")
            elif score is None:
                message = "A value is true or false, yes or no, or a number from 0 to 1."
                self.refuse(place, "value", str(one.feedback.value)[:100], message)
            elif not linked:
                self.refuse(place, "prompt", None, "Its trace is linked to no prompt.")
            elif not assistant:
                message = f"Its trace has no name and no tag {ASSISTANT_TAG}: who answered?"
                self.refuse(place, "assistant", None, message)
            else:
                for prompt, number in linked:
                    yield Feedback(
                        id=one.assessment_id,
                        name=one.name,
                        source=str(one.source.source_type).lower().replace("_", " "),
                        prompt=prompt,
                        number=number,
                        assistant=assistant,
                        score=score,
                        at=datetime.fromtimestamp(one.create_time_ms / 1_000, tz=UTC),
                        sent=info.tags.get(SENT) or "",
                    )


def _text(template: Any) -> tuple[str, bool]:
    """A version's template as one text, and whether it is a chat."""
    if isinstance(template, str):
        return template, False
    messages = []
    for n, one in enumerate(template):
        role, content = one.get("role"), one.get("content")
        if role not in chats.ROLES or not isinstance(content, str):
            raise ValueError(
                f"message {n + 1} is no text of one of the roles {', '.join(chats.ROLES)}"
            )
        messages.append(chats.Message(role=role, content=content))
    return chats.written(messages), True


def _linked(said: str | None) -> list[tuple[str, int]]:
    """The prompts and versions that a trace was linked to, as MLflow notes them in a tag."""
    try:
        found = json.loads(said or "[]")
        return [(str(one["name"]), int(one["version"])) for one in found]
    except (ValueError, KeyError, TypeError):
        return []


def _score(value: object) -> float | None:
    if isinstance(value, str):
        return _SAID.get(value.strip().lower())
    if isinstance(value, bool | int | float) and math.isfinite(value) and 0 <= value <= 1:
        return float(value)
    return None


def pages(search: Any, *arguments: Any, size: int = _PAGE, **named: Any) -> Iterator[Any]:
    """Whatever a search of MLflow finds, page by page."""
    token = None
    while True:
        page = search(*arguments, max_results=size, page_token=token, **named)
        yield from page
        token = page.token
        if not token:
            return


def text_of(version: Any) -> str | None:
    """A version's text as it would come in; None where it would not."""
    try:
        text = templates.mapped(_text(version.template)[0], language="jinja2")
    except (chats.Ambiguous, ValueError):
        return None
    return None if text.unmapped else text.text


def is_there(store: str) -> bool:
    """Whether a store exists: a file does or does not, an address is taken to."""
    if store.startswith("sqlite:///") or "://" not in store:
        return Path(store.removeprefix("sqlite:///")).exists()
    return True


def artifacts(address: str, experiment: str) -> str | None:
    """Where traces of an experiment lie: beside a store that is a file, not where a command was given. None: the server
    knows."""
    if not address.startswith("sqlite:///"):
        return None
    folder = Path(address.removeprefix("sqlite:///")).parent / "mlruns"
    return (folder / quote(experiment, safe="")).as_uri()


def shown(store: str) -> str:
    """Addresses without what may be a password in them."""
    return re.sub(r"//[^/@]*@", "//…@", store)


def _require_sqlite(path: Path, *, store: str) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(len(_HEADER))
    except OSError as failed:
        raise _broken(store, f"It can't be read: {failed.strerror}.") from failed
    if head != _HEADER:
        raise _broken(store, "It is no SQLite database. Name a file of MLflow's, or an address.")


def _broken(store: str, message: str) -> reports.UnreadableSource:
    place = reports.Place(row=0, field="", value="", message=message, file=shown(store))
    return reports.unreadable(what=shown(store), places=[place])
