"""MLflow's prompts and feedback, read through its own client from any store that it opens: a file of SQLite, a server.

Needs the extra `mintmark[mlflow]`. Only what a version or an assessment says is read; the store is not written to.
"""

import json
import logging
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mintmark.common import errors, score_names
from mintmark.textchecks import chat_format

from . import import_report, registry_gone, row_ledger, template_mapping
from .registry_import import EXPORT_MARKER_TAG, ExternalFeedback, ExternalVersion, RegistryContents

_PAGE_SIZE = 500
_EXPERIMENT_PAGE_SIZE = 1_000
_SQLITE_HEADER = b"SQLite format 3\0"
_LINKED_PROMPTS_TAG = "mlflow.linkedPrompts"
_TRACE_NAME_TAG = "mlflow.traceName"
ASSISTANT_TAG = "mintmark.assistant"
_OWN_SCALE = score_names.ScoreScale(worst=0.0, best=1.0, source="sent by an export of Mintmark")


def open_client(*, store: str, must_exist: bool = True) -> tuple[Any, str]:
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
    except ImportError as error:
        raise errors.MissingExtra(
            "MLflow is not installed here: install Mintmark with its extra, as `mintmark[mlflow]`."
        ) from error
    return MlflowClient(tracking_uri=address, registry_uri=address), address


def load_registry(
    *,
    store: str,
    experiments: Sequence[str] = (),
    mapping: score_names.ScoreMapping = score_names.NO_MAPPING,
) -> RegistryContents:
    """The prompts of a store and the feedback of its experiments (all of them, or those named).

    A version or an assessment that can't be used is refused by itself. Raises `UnreadableSource` where the store can't
    be read, an experiment is not there, or there is no prompt in it.
    """
    reader = _MlflowReader(store, mapping)
    try:
        mlflow_client, _ = open_client(store=store)
        versions = list(reader.iter_versions(mlflow_client))
        if not versions and not reader.refused:
            raise _build_error(store, "There is no prompt in its registry.")
        feedback = list(reader.iter_feedback(mlflow_client, experiments))
    except errors.DomainError:
        raise
    except Exception as error:  # MLflow's own, its database's, its server's: it says no which
        message = hide_credentials(" ".join(str(error).split())[:300])
        raise _build_error(
            store, f"MLflow can't read it: {type(error).__name__}: {message}"
        ) from error
    return RegistryContents(
        name=hide_credentials(store),
        versions=versions,
        feedback=feedback,
        refused=reader.refused,
        unmapped=dict(reader.unmapped),
        left_out=dict(reader.left_out),
        standing=reader.standing,
        ledger=reader.ledger,
        read={
            "prompts": len({version.name for version in versions}),
            "versions": len(versions),
            "traces": reader.traces,
            "feedback": reader.feedback,
        },
    )


class _MlflowReader:
    """Reads page by page and collects what can't be used."""

    def __init__(self, store: str, mapping: score_names.ScoreMapping) -> None:
        self.store = store
        self.mapping = mapping
        self.unmapped: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self.refused: list[errors.FieldError] = []
        self.traces = 0
        self.feedback = 0
        self.ledger = row_ledger.RowLedger()
        self.row = ""
        self.standing = registry_gone.Standing()

    def leave_out(self, reason: str) -> None:
        self.left_out[reason] += 1
        self.ledger.note(self.row, reason)

    def refuse(self, location: str, field: str, value: object, message: str) -> None:
        self.ledger.note(self.row, row_ledger.Fate.REFUSED)
        self.refused.append(
            import_report.SourceFieldError(
                row=len(self.refused), field=field, value=value, message=message, file=location
            )
        )

    def iter_versions(self, mlflow_client: Any) -> Iterator[ExternalVersion]:
        for prompt in sorted(iter_pages(mlflow_client.search_prompts), key=lambda item: item.name):
            prompt_versions = iter_pages(mlflow_client.search_prompt_versions, prompt.name)
            for version in sorted(prompt_versions, key=lambda item: item.version):
                # The list leaves the aliases out.
                full_version = mlflow_client.get_prompt_version(prompt.name, str(version.version))
                if (parsed_version := self._parse_version(full_version)) is not None:
                    yield parsed_version

    def _parse_version(self, version: Any) -> ExternalVersion | None:
        location = self.row = f"prompts:/{version.name}/{version.version}"
        self.standing.versions.add((version.name, int(version.version)))
        self.standing.labels |= {
            (version.name, alias): int(version.version) for alias in version.aliases
        }
        try:
            template, is_chat = _parse_template(version.template)
        except (chat_format.AmbiguousMessage, ValueError) as error:
            self.refuse(location, "template", None, f"{str(error)[:300]}.")
            return None
        text = template_mapping.map_template(template, language="mlflow")
        for part in text.unsupported:
            message = f"line {part.line}: {part.excerpt} has no meaning here: {part.reason}."
            self.refuse(location, "template", part.excerpt, message)
        if text.unsupported:
            return None
        tags = [f"{key}:{value}"[:100] for key, value in sorted(version.tags.items())]
        return ExternalVersion(
            name=version.name,
            number=int(version.version),
            text=text.text,
            variables=text.variables,
            is_chat=is_chat,
            message=version.commit_message or "",
            tags=tuple(tag for tag in tags if not tag.startswith(("mlflow.", "_mlflow", "mintmark."))),
            aliases=sorted(version.aliases),
            unkept_settings=[
                name
                for name in ("response_format", "model_config")
                if getattr(version, name, None) is not None
            ],
            row=location,
        )  # fmt: skip

    def iter_feedback(
        self, mlflow_client: Any, experiments: Sequence[str]
    ) -> Iterator[ExternalFeedback]:
        experiment_ids = {
            experiment.name: experiment.experiment_id
            for experiment in iter_pages(
                mlflow_client.search_experiments, size=_EXPERIMENT_PAGE_SIZE
            )
        }
        for name in experiments:
            if name not in experiment_ids:
                raise _build_error(self.store, f"There is no experiment {name!r} in it.")
        if experiments:
            self.standing.assessments = None
        for name in sorted(experiments or experiment_ids):
            search = iter_pages(
                mlflow_client.search_traces, locations=[experiment_ids[name]], include_spans=False
            )
            for trace in search:
                self.traces += 1
                yield from self._iter_trace_feedback(trace.info)

    def _iter_trace_feedback(self, info: Any) -> Iterator[ExternalFeedback]:
        linked = _parse_linked_prompts(info.tags.get(_LINKED_PROMPTS_TAG))
        assistant = info.tags.get(ASSISTANT_TAG) or info.tags.get(_TRACE_NAME_TAG) or ""
        for assessment in info.assessments:
            # Expectations are what was hoped for.
            if getattr(assessment, "feedback", None) is None:
                continue
            self.feedback += 1
            location = f"{info.trace_id}, {assessment.name}"
            self.row = f"{info.trace_id}, {assessment.assessment_id}"
            if assessment.valid is False:
                self.leave_out("feedback that other feedback replaced")
                continue
            if self.standing.assessments is not None:
                self.standing.assessments.add(assessment.assessment_id)
            if assessment.name in self.mapping.ignored:
                self.leave_out("feedback that was to be ignored")
            elif assessment.feedback.error is not None:
                self.refuse(location, "error", None, "The assessment failed, so it says nothing.")
            elif (score := self._parse_score(info, assessment, location)) is None:
                continue
            elif assessment.span_id:
                message = (
                    f"It is about the span {assessment.span_id}, and prompts are linked to traces."
                )
                self.refuse(location, "prompt", None, message)
            elif not linked:
                self.refuse(location, "prompt", None, "Its trace is linked to no prompt.")
            elif len(linked) > 1:
                names = ", ".join(f"{name} version {number}" for name, number in linked)[:200]
                message = f"Its trace used several prompts ({names}), and it does not say which it is about."
                self.refuse(location, "prompt", None, message)
            elif not assistant:
                message = f"Its trace has no name and no tag {ASSISTANT_TAG}: who answered?"
                self.refuse(location, "assistant", None, message)
            else:
                ((prompt, number),) = linked
                yield ExternalFeedback(
                    id=assessment.assessment_id,
                    name=assessment.name,
                    source=str(assessment.source.source_type).lower().replace("_", " "),
                    prompt=prompt,
                    number=number,
                    assistant=assistant,
                    score=score,
                    at=datetime.fromtimestamp(assessment.create_time_ms / 1_000, tz=UTC),
                    export_marker=info.tags.get(EXPORT_MARKER_TAG) or "",
                    row=f"{info.trace_id}, {assessment.assessment_id}",
                )

    def _parse_score(self, info: Any, assessment: Any, location: str) -> float | None:
        """A value as 0 to 1, by what is known of its name; None where it was refused."""
        name, value = assessment.name, assessment.feedback.value
        is_judge = assessment.source.source_type in ("LLM_JUDGE", "CODE")
        scale: score_names.ScoreScale | None
        if info.tags.get(EXPORT_MARKER_TAG) and name not in self.mapping.scales:
            scale = _OWN_SCALE
        else:
            is_boolean = isinstance(value, bool)
            scale = self.mapping.find_scale(
                tool="mlflow" if is_judge else score_names.ANY_TOOL,
                name=name,
                is_boolean=is_boolean,
            )
            if scale is not None and name not in self.mapping.scales and not is_judge:
                scale = scale if is_boolean else None
        if scale is None or not scale.is_evidence:
            self.unmapped[name] += 1
            message = (
                f"Nobody said what it means: add --score '{name[:80]}=WORST..BEST' (or "
                f"WORD:SCORE,WORD:SCORE), or --ignore '{name[:80]}'."
            )
            self.refuse(location, "name", name, message)
            return None
        score = scale.normalise(value)
        if score is None:
            message = f"It is not on the scale of {name[:80]!r} as it is known here."
            self.refuse(location, "value", str(value)[:100], message)
        return score


def _parse_template(template: Any) -> tuple[str, bool]:
    """A version's template as one text, and whether it is a chat."""
    if isinstance(template, str):
        return template, False
    messages = []
    for n, raw_message in enumerate(template):
        role, content = raw_message.get("role"), raw_message.get("content")
        if role not in chat_format.ROLES or not isinstance(content, str):
            raise ValueError(
                f"message {n + 1} is not a text of one of the roles {', '.join(chat_format.ROLES)}"
            )
        messages.append(chat_format.ChatMessage(role=role, content=content))
    return chat_format.format_chat(messages), True


def _parse_linked_prompts(tag_value: str | None) -> list[tuple[str, int]]:
    """The prompts and versions that a trace was linked to, as MLflow notes them in a tag."""
    try:
        entries = json.loads(tag_value or "[]")
        return [(str(entry["name"]), int(entry["version"])) for entry in entries]
    except (ValueError, KeyError, TypeError):
        return []


def iter_pages(
    search: Any, *arguments: Any, size: int = _PAGE_SIZE, **options: Any
) -> Iterator[Any]:
    """Whatever a search of MLflow finds, page by page."""
    token = None
    while True:
        page = search(*arguments, max_results=size, page_token=token, **options)
        yield from page
        token = page.token
        if not token:
            return


def get_text(version: Any) -> str | None:
    """A version's text as it would come in; None where it would not."""
    try:
        text = template_mapping.map_template(
            _parse_template(version.template)[0], language="mlflow"
        )
    except (chat_format.AmbiguousMessage, ValueError):
        return None
    return None if text.unsupported else text.text


def store_exists(store: str) -> bool:
    """Whether a store exists: a file does or does not, an address is taken to."""
    if store.startswith("sqlite:///") or "://" not in store:
        return Path(store.removeprefix("sqlite:///")).exists()
    return True


def get_artifact_location(address: str, experiment: str) -> str | None:
    """Where traces of an experiment lie: beside a store that is a file, not where a command was given. None: the server
    knows."""
    if not address.startswith("sqlite:///"):
        return None
    folder = Path(address.removeprefix("sqlite:///")).parent / "mlruns"
    return (folder / quote(experiment, safe="")).as_uri()


def hide_credentials(store: str) -> str:
    """Addresses without what may be a password in them."""
    return re.sub(r"//[^/@]*@", "//…@", store)


def _require_sqlite(path: Path, *, store: str) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(len(_SQLITE_HEADER))
    except OSError as error:
        raise _build_error(store, f"It can't be read: {error.strerror}.") from error
    if head != _SQLITE_HEADER:
        raise _build_error(
            store, "It is not an SQLite database. Name a file of MLflow's, or an address."
        )


def _build_error(store: str, message: str) -> import_report.UnreadableSource:
    row = import_report.SourceFieldError(
        row=0, field="", value="", message=message, file=hide_credentials(store)
    )
    return import_report.build_unreadable_source(source_name=hide_credentials(store), rows=[row])
