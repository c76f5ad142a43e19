"""Langfuse's prompts and scores, as its public API shows them, checked one by one."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeGuard

from mintmark.common import errors, score_names
from mintmark.textchecks import chat_format

from . import import_report, langfuse_api, registry_gone, row_ledger, template_mapping
from .langfuse_api import LangfuseLists
from .registry_import import EXPORT_MARKER_TAG, ExternalFeedback, ExternalVersion, RegistryContents

OWN_CONFIG_KEY = "mintmark"
"""The member of a version's config in which an export of Mintmark says what the version is here."""
RESERVED_LABEL = "latest"
"""A label that Langfuse moves by itself: the newest revision is found without one."""


_OWN_SCALE = score_names.ScoreScale(worst=0.0, best=1.0, source="sent by an export of Mintmark")


def parse_registry(
    lists: LangfuseLists, *, name: str, mapping: score_names.ScoreMapping = score_names.NO_MAPPING
) -> RegistryContents:
    """What these lists hold for us. What can't be used is refused by itself, with its place in them.

    A score whose name nobody said the meaning of is refused, and counted by its name in `unmapped`.
    """
    reader = _LangfuseReader(lists, mapping)
    versions = sorted(reader.iter_versions(), key=lambda version: (version.name, version.number))
    feedback = list(reader.iter_feedback())
    return RegistryContents(
        name=name,
        versions=versions,
        feedback=feedback,
        refused=reader.refused,
        unmapped=dict(reader.unmapped),
        left_out=dict(reader.left_out),
        standing=reader.standing,
        ledger=reader.ledger,
        notes=[str(note) for note in lists.get(langfuse_api.NOTES, [])],
        read={
            "versions": len(lists["prompts"]),
            "traces": len(lists["traces"]),
            "scores": len(lists["scores"]),
        },
    )


class _LangfuseReader:
    """Reads list by list and collects what can't be used."""

    def __init__(self, lists: LangfuseLists, mapping: score_names.ScoreMapping) -> None:
        self.lists = lists
        self.mapping = mapping
        self.refused: list[errors.FieldError] = []
        self.unmapped: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self.ledger = row_ledger.RowLedger()
        self.row = ""
        self.standing = registry_gone.Standing(
            assessments={_get_id(raw, "id") for raw in lists["scores"] if isinstance(raw, Mapping)}
        )

    def leave_out(self, reason: str) -> None:
        self.left_out[reason] += 1
        self.ledger.note(self.row, reason)

    def refuse(self, location: str, field: str, value: object, message: str) -> None:
        self.ledger.note(self.row, row_ledger.Fate.REFUSED)
        shown_value = value if isinstance(value, str | int | float) else None
        self.refused.append(
            import_report.SourceFieldError(
                row=len(self.refused), field=field, value=shown_value, message=message, file=location,
            )
        )  # fmt: skip

    def iter_versions(self) -> Iterator[ExternalVersion]:
        by_version: dict[tuple[str, int], int] = {}
        for n, raw in enumerate(self.lists["prompts"]):
            location = self.row = f"prompts.{n}"
            name = raw.get("name") if isinstance(raw, Mapping) else None
            number = raw.get("version") if isinstance(raw, Mapping) else None
            if not isinstance(name, str) or not _is_version_number(number):
                self.refuse(
                    location, "name", name, "A prompt has a name and the number of a version."
                )
                continue
            if (first := by_version.setdefault((name, number), n)) != n:
                if self.lists["prompts"][first] == raw:
                    self.leave_out("a row that stands twice")
                else:
                    message = (
                        f"This version stands in prompts.{first} too, which says something else."
                    )
                    self.refuse(
                        f"{location} ({name}, version {number})", "version", number, message
                    )
                continue
            self.standing.versions.add((name, number))
            labels, tags = raw.get("labels") or [], raw.get("tags") or []
            if _is_text_list(labels):
                self.standing.labels |= {(name, label): number for label in labels}
            location = f"{location} ({name}, version {number})"
            if (text := self._parse_text(raw, location)) is None:
                continue
            if not _is_text_list(labels) or not _is_text_list(tags):
                self.refuse(location, "labels", None, "labels and tags are lists of texts.")
                continue
            yield ExternalVersion(
                name=name,
                number=number,
                text=text.text,
                variables=text.variables,
                is_chat=raw.get("type") == "chat",
                message=str(raw.get("commitMessage") or ""),
                tags=tuple(tags),
                aliases=sorted(set(labels) - {RESERVED_LABEL}),
                unkept_settings=_list_settings(raw.get("config")),
                row=f"prompts.{n}",
            )

    def _parse_text(
        self, raw: Mapping[str, Any], location: str
    ) -> template_mapping.MappedText | None:
        prompt = raw.get("prompt")
        if raw.get("type", "text") == "chat":
            prompt = self._parse_chat(prompt, location)
        elif not isinstance(prompt, str):
            self.refuse(location, "prompt", None, "The prompt of a type `text` is a text.")
        if not isinstance(prompt, str):
            return None
        text = template_mapping.map_template(prompt, language="langfuse")
        for part in text.unsupported:
            message = f"line {part.line}: {part.excerpt} has no meaning here: {part.reason}."
            self.refuse(location, "prompt", part.excerpt, message)
        if (at := prompt.find(langfuse_api.COMPOSED_MARKER)) >= 0:
            line = prompt.count("\n", 0, at) + 1
            message = f"line {line}: it is composed of other prompts; have Langfuse resolve it."
            self.refuse(location, "prompt", langfuse_api.COMPOSED_MARKER, message)
            return None
        return None if text.unsupported else text

    def _parse_chat(self, raw_messages: Any, location: str) -> str | None:
        messages = []
        for n, raw_message in enumerate(raw_messages if isinstance(raw_messages, list) else [None]):
            role = raw_message.get("role") if isinstance(raw_message, Mapping) else None
            content = raw_message.get("content") if isinstance(raw_message, Mapping) else None
            if role not in chat_format.ROLES or not isinstance(content, str):
                kind = raw_message.get("type") if isinstance(raw_message, Mapping) else None
                message = f"A message is a text of one of the roles {', '.join(chat_format.ROLES)}."
                self.refuse(location, f"prompt.{n}", kind, message)
                return None
            messages.append(chat_format.ChatMessage(role=role, content=content))
        try:
            return chat_format.format_chat(messages)
        except chat_format.AmbiguousMessage as error:
            self.refuse(location, "prompt", None, f"{error}.")
            return None

    def iter_feedback(self) -> Iterator[ExternalFeedback]:
        traces = _index_by_id(self.lists["traces"])
        observations = _index_by_id(self.lists["observations"])
        configs = _index_by_id(self.lists["scoreConfigs"])
        observations_by_trace: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for observation in observations.values():
            if _get_id(observation, "promptName"):
                observations_by_trace[_get_id(observation, "traceId")].append(observation)
        by_id: dict[str, int] = {}
        for n, raw in enumerate(self.lists["scores"]):
            location = self.row = f"scores.{n}"
            if not isinstance(raw, Mapping) or not all(
                isinstance(raw.get(key), str) and raw[key] for key in ("id", "name")
            ):
                self.refuse(location, "id", None, "A score has an id and a name.")
                continue
            location = f"{location} ({raw['name'][:80]})"
            if raw["name"] in self.mapping.ignored:
                self.leave_out("a score that was to be ignored")
            elif (first := by_id.setdefault(raw["id"], n)) != n:
                if self.lists["scores"][first] == raw:
                    self.leave_out("a row that stands twice")
                else:
                    message = f"The id stands in scores.{first} too, which says something else."
                    self.refuse(location, "id", raw["id"], message)
            elif (score := self._parse_score(raw, location, configs)) is not None:
                at = _parse_time(raw.get("timestamp"))
                generation = self._find_generation(
                    raw, location, observations, observations_by_trace
                )
                if generation is None:
                    continue
                trace = traces.get(_get_id(raw, "traceId"), {})
                assistant = trace.get("name") or generation.get("model")
                if at is None:
                    message = "It is not a time such as 2026-01-31T12:00:00Z."
                    self.refuse(location, "timestamp", raw.get("timestamp"), message)
                elif not isinstance(assistant, str) or not assistant.strip():
                    message = "Its trace has no name and its generation no model: who answered?"
                    self.refuse(location, "assistant", None, message)
                else:
                    yield ExternalFeedback(
                        id=raw["id"],
                        name=raw["name"],
                        source=str(raw.get("source") or "api").lower(),
                        environment=_get_id(raw, "environment") or _get_id(trace, "environment"),
                        prompt=str(generation["promptName"]),
                        number=int(generation["promptVersion"]),
                        assistant=assistant,
                        score=score,
                        at=at,
                        export_marker=_get_marker(raw),
                        row=f"scores.{n}",
                    )

    def _find_generation(
        self,
        raw: Mapping[str, Any],
        location: str,
        observations: Mapping[str, Mapping[str, Any]],
        observations_by_trace: Mapping[str, list[Mapping[str, Any]]],
    ) -> Mapping[str, Any] | None:
        """The generation whose prompt a score is about: its own, or that of its trace's only prompt; else refused."""
        if observation_id := _get_id(raw, "observationId"):
            generations = [observations.get(observation_id, {})]
        else:
            generations = observations_by_trace.get(_get_id(raw, "traceId"), [])
        linked: dict[tuple[str, int], Mapping[str, Any]] = {
            (generation["promptName"], generation["promptVersion"]): generation
            for generation in reversed(generations)
            if _get_id(generation, "promptName")
            and _is_version_number(generation.get("promptVersion"))
        }
        if len(linked) == 1:
            return next(iter(linked.values()))
        if linked:
            names = ", ".join(f"{name} version {number}" for name, number in sorted(linked))[:200]
            message = (
                f"Its trace used several prompts ({names}), and it does not say which it is about."
            )
        elif observation_id:
            message = (
                f"It is about the observation {observation_id[:80]}, which no prompt is linked to."
            )
        else:
            message = "No generation that it is about was linked to a prompt."
        self.refuse(location, "prompt", None, message)
        return None

    def _parse_score(
        self,
        raw: Mapping[str, Any],
        location: str,
        configs: Mapping[str, Mapping[str, Any]],
    ) -> float | None:
        """A score as 0 to 1, by what is known of its name; None where it was refused or left out."""
        kind, value, name = raw.get("dataType"), raw.get("value"), raw["name"]
        if kind in ("CORRECTION", "TEXT"):
            self.leave_out(f"a {str(kind).lower()}, which is words and no score")
            return None
        is_said = name in self.mapping.scales
        if _get_marker(raw) and not is_said:
            scale: score_names.ScoreScale | None = _OWN_SCALE
        elif is_said or kind == "BOOLEAN" or raw.get("source") == "EVAL":
            scale = self.mapping.find_scale(
                tool="langfuse" if raw.get("source") == "EVAL" else score_names.ANY_TOOL,
                name=name,
                is_boolean=kind == "BOOLEAN",
            )
        else:
            scale = None
        if scale is None or not scale.is_evidence:
            self.unmapped[name] += 1
            known = "It measures no goodness by itself" if scale else "Nobody said what it means"
            config = configs.get(_get_id(raw, "configId"), {})
            ends = f"{config.get('minValue')}..{config.get('maxValue')}"
            bounds = f" Its configuration has the bounds {ends}." if "None" not in ends else ""
            message = (
                f"{known}: add --score '{name[:80]}=WORST..BEST' (or WORD:SCORE,WORD:SCORE), or "
                f"--ignore '{name[:80]}'.{bounds}"
            )
            self.refuse(location, "name", name, message)
            return None
        if kind == "CATEGORICAL":
            value = raw.get("stringValue") or value
            value = value if isinstance(value, str) else None
        elif kind == "BOOLEAN":
            value = bool(value) if value in (0, 1) else None
        elif isinstance(value, bool):
            value = None
        score = scale.normalise(value)
        if score is None:
            message = f"It is not on the scale of {name[:80]!r} as it is known here."
            self.refuse(location, "value", raw.get("value"), message)
        return score


def _list_settings(config: object) -> list[str]:
    """The names in a version's config, but for the mark that an export of Mintmark left."""
    if not isinstance(config, Mapping):
        return []
    return [f"config.{str(name)[:80]}" for name in config if name != OWN_CONFIG_KEY]


def _get_marker(raw: Mapping[str, Any]) -> str:
    metadata = raw.get("metadata")
    return _get_id(metadata, EXPORT_MARKER_TAG) if isinstance(metadata, Mapping) else ""


def _index_by_id(rows: Sequence[Any]) -> dict[str, Mapping[str, Any]]:
    return {
        row["id"]: row
        for row in rows
        if isinstance(row, Mapping) and isinstance(row.get("id"), str)
    }


def _get_id(row: Mapping[str, Any], field: str) -> str:
    value = row.get(field)
    return value if isinstance(value, str) else ""


def _parse_time(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _is_version_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_text_list(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)
