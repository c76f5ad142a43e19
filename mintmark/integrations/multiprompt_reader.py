"""The files of the multi-prompt evaluation corpus, read and checked without a database.

One JSON file a task: `{"paraphrases": {id: {template, method, correct, accs: {model: share},
ranks}}}` (Mizrahi et al., arXiv 2401.00595). A share is the part of a model's runs with this
paraphrase that were answered rightly.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mintmark.common import errors
from mintmark.textchecks import hidden_characters

from . import import_report, strict_json

ORIGINAL = "default"
"""The method of a template that derives from no other."""

MAX_FILE_BYTES = 64 * 2**20
MAX_TEMPLATE_CHARACTERS = 500_000
_METHOD = re.compile(r"[\w][\w .+-]{0,63}")
_MODEL = re.compile(r"[\w][\w .:/+-]{0,199}")
_ID = re.compile(r"[\w][\w.-]{0,63}")
_TASK = re.compile(r"[\w][\w.+-]{0,79}")
_NOT_IN_A_NAMESPACE = re.compile(r"[^a-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Paraphrase:
    """One way to word a task. `keeps_meaning` is a person's verdict; `shares` are by model; None
    was not measured.
    """

    id: str
    template: str
    method: str
    keeps_meaning: bool | None
    shares: Mapping[str, float | None]

    @property
    def is_original(self) -> bool:
        return self.method == ORIGINAL


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusTask:
    """One task of one data set with all its paraphrases in the order of the file, originals first."""

    data_set: str
    name: str
    paraphrases: Sequence[Paraphrase]

    @property
    def namespace(self) -> str:
        return _NOT_IN_A_NAMESPACE.sub("-", self.data_set.lower()).strip("-_")[:64]

    @property
    def models(self) -> list[str]:
        return sorted({model for paraphrase in self.paraphrases for model in paraphrase.shares})

    def get_prompt_name(self, paraphrase: Paraphrase) -> str:
        """The name of a paraphrase's line: `causal_judgement-017`."""
        return f"{self.name}-{_pad_id(paraphrase.id)}"

    def find_original(self, paraphrase: Paraphrase) -> Paraphrase | None:
        """What a paraphrase derives from: the original that shares most words with it, the first of
        equals.

        The files do not say which of several originals it was (LMentry has three to a task); alike
        is measured as shared words over all words (Jaccard). None for an original.
        """
        if paraphrase.is_original:
            return None
        paraphrase_words = _split_words(paraphrase.template)

        def compute_likeness(original: Paraphrase) -> float:
            original_words = _split_words(original.template)
            return len(paraphrase_words & original_words) / max(
                1, len(paraphrase_words | original_words)
            )

        return max((p for p in self.paraphrases if p.is_original), key=compute_likeness)


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Every task found in a folder, and the files there that are none."""

    tasks: Sequence[CorpusTask]
    ignored: Sequence[str]

    def count_contents(self) -> dict[str, int]:
        """What the corpus holds; `cells` are measured pairs of paraphrase and model."""
        every = [p for task in self.tasks for p in task.paraphrases]
        shares = [share for p in every for share in p.shares.values()]
        return {
            "tasks": len(self.tasks),
            "paraphrases": len(every),
            "models": len({model for p in every for model in p.shares}),
            "cells": sum(share is not None for share in shares),
            "cells_not_measured": sum(share is None for share in shares),
            "verdicts": sum(p.keeps_meaning is not None for p in every),
        }


def load_corpus(*, folder: Path) -> Corpus:
    """Every task in `folder` (`DATASET/task.json`, or `task.json` in the folder of one data set).

    Raises `UnreadableSource` that names every broken file and value; a corpus is read whole or not
    at all.
    """
    if not folder.is_dir():
        raise import_report.UnreadableSource(
            f"{folder} is not a folder; give the one that holds the data sets, such as BBH and "
            f"LMentry."
        )
    files, ignored = _find_files(folder)
    if not files:
        raise import_report.UnreadableSource(
            f"{folder} holds no .json file of a task; give the folder that holds BBH/*.json and "
            f"LMentry/*.json."
        )
    problems: list[errors.FieldError] = []
    tasks = []
    for file in files:
        reader = _TaskReader(file=file, shown_path=str(file.relative_to(folder.parent)))
        task = reader.read_task()
        problems += reader.problems
        if task is not None:
            tasks.append(task)
    problems += _find_duplicate_names(tasks)
    if problems:
        raise import_report.build_unreadable_source(source_name=str(folder), rows=problems)
    return Corpus(tasks=tasks, ignored=ignored)


def _find_files(folder: Path) -> tuple[list[Path], list[str]]:
    files, ignored = [], []
    for path in sorted([*folder.glob("*"), *folder.glob("*/*")]):
        if path.suffix == ".json":
            files.append(path)
        elif not path.is_dir():
            ignored.append(str(path.relative_to(folder)))
    return files, ignored


class _DuplicateJsonKey(ValueError):
    """A JSON object names a key twice, and all but the last would be lost."""


class _TaskReader:
    """Reads one file into a task, and collects what is wrong with it."""

    def __init__(self, *, file: Path, shown_path: str) -> None:
        self.file = file
        self.shown_path = shown_path
        self.problems: list[errors.FieldError] = []

    def read_task(self) -> CorpusTask | None:
        """The task, or None where `problems` say why not."""
        if not _TASK.fullmatch(self.file.stem):
            self._add_problem(
                field="",
                value=self.file.stem,
                message="The file is named after its task: 1 to 80 letters, digits or . + - _",
            )
            return None
        content = self._read_content()
        if self.problems:
            return None
        raw_paraphrases = content.get("paraphrases") if isinstance(content, dict) else None
        if not isinstance(raw_paraphrases, dict) or not raw_paraphrases:
            self._add_problem(
                field="paraphrases",
                value=type(raw_paraphrases).__name__,
                message='The file must be {"paraphrases": {id: …}} with at least one paraphrase.',
            )
            return None
        parsed = [
            self._parse_paraphrase(row=n, id=id, raw=raw)
            for n, (id, raw) in enumerate(raw_paraphrases.items())
        ]
        paraphrases = [paraphrase for paraphrase in parsed if paraphrase is not None]
        if not any(paraphrase.is_original for paraphrase in paraphrases) and not self.problems:
            self._add_problem(
                field="method",
                value="",
                message=f"No paraphrase has the method {ORIGINAL!r}; nothing says what the "
                f"others derive from.",
            )
        if self.problems:
            return None
        # An original comes before what derives from it, wherever the file has it.
        paraphrases.sort(key=lambda paraphrase: not paraphrase.is_original)
        return CorpusTask(
            data_set=self.file.parent.resolve().name, name=self.file.stem, paraphrases=paraphrases
        )

    def _read_content(self) -> Any:
        try:
            size = self.file.stat().st_size
            if size > MAX_FILE_BYTES:
                return self._add_problem(
                    field="",
                    value=size,
                    message=f"{size:,} bytes; at most {MAX_FILE_BYTES:,} are read.",
                )
            return strict_json.loads(
                self.file.read_bytes().decode("utf-8-sig"),
                object_pairs_hook=_reject_duplicate_keys,
            )
        except OSError as error:
            return self._add_problem(
                field="", value="", message=f"It can't be read: {error.strerror}."
            )
        except UnicodeDecodeError as error:
            return self._add_problem(
                field="",
                value="",
                message=f"It is not UTF-8: byte {error.start} is {error.reason}.",
            )
        except json.JSONDecodeError as error:
            return self._add_problem(
                field="", value="", message=f"It is not JSON: {error.msg} (column "
                f"{error.colno}).",
                line=error.lineno,
            )  # fmt: skip
        except _DuplicateJsonKey as error:
            return self._add_problem(
                field=str(error)[:100],
                value="",
                message=f"The key {str(error)[:100]!r} occurs twice.",
            )
        except (
            RecursionError,
            ValueError,
        ) as error:  # too deep; a number that is none, or too long
            message = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            return self._add_problem(field="", value="", message=f"It can't be read: {message}.")

    def _parse_paraphrase(self, *, row: int, id: str, raw: object) -> Paraphrase | None:
        before = len(self.problems)
        path = f"paraphrases.{id[:64]}"

        def refuse(name: str, value: object, message: str) -> None:
            self._add_problem(
                field=f"{path}.{name}".rstrip("."), value=value, message=message, row=row
            )

        if not _ID.fullmatch(id):
            refuse("", id, "An id is 1 to 64 letters, digits, '.', '-' or '_'.")
        if not isinstance(raw, dict):
            refuse("", type(raw).__name__, "A paraphrase must be an object.")
            return None
        template, method, verdict = raw.get("template"), raw.get("method"), raw.get("correct")
        if not isinstance(template, str):
            refuse("template", template, "The template is missing or no text.")
        elif len(template) > MAX_TEMPLATE_CHARACTERS:
            refuse(
                "template",
                f"{len(template)} characters",
                f"The template has {len(template):,} characters; at most "
                f"{MAX_TEMPLATE_CHARACTERS:,} are taken.",
            )
        else:
            for value, message in _find_text_problems(template):
                refuse("template", value, message)
        if not isinstance(method, str) or not _METHOD.fullmatch(method):
            refuse("method", method, "The method is missing or no short name.")
        if not isinstance(verdict, bool | None):
            refuse("correct", verdict, "The verdict must be true, false or null.")
        shares = raw.get("accs")
        if not isinstance(shares, dict):
            refuse("accs", type(shares).__name__, "accs must be an object of model: share.")
            return None
        for model, share in shares.items():
            if not _MODEL.fullmatch(model) or model != model.strip():
                refuse(
                    f"accs.{model[:64]}",
                    model,
                    "A model's name is 1 to 200 letters, digits or . : / + - _",
                )
            if share is not None and not _is_share(share):
                refuse(f"accs.{model[:64]}", share, "A share is a number from 0 to 1, or null.")
        if len(self.problems) > before:
            return None
        assert isinstance(template, str)
        assert isinstance(method, str)
        measured = {
            model: None if share is None else float(share) for model, share in shares.items()
        }
        return Paraphrase(
            id=id, template=template, method=method, keeps_meaning=verdict, shares=measured
        )

    def _add_problem(
        self, *, field: str, value: object, message: str, row: int = 0, line: int | None = None
    ) -> None:
        self.problems.append(
            import_report.SourceFieldError(
                row=row, field=field, value=value, message=message, file=self.shown_path, line=line
            )
        )


def _find_duplicate_names(tasks: Sequence[CorpusTask]) -> Iterator[errors.FieldError]:
    """Two paraphrases of one name: ids such as 7 and 07, data sets such as BBH and bbh."""
    known_names: set[tuple[str, str]] = set()
    for task in tasks:
        if not task.namespace:
            yield import_report.SourceFieldError(
                row=0,
                field="",
                value=task.data_set,
                message="The folder's name has no letter to call its data set by.",
                file=task.data_set,
            )
        for row, paraphrase in enumerate(task.paraphrases):
            qualified_name = (task.namespace, task.get_prompt_name(paraphrase))
            if qualified_name in known_names:
                yield import_report.SourceFieldError(
                    row=row,
                    field=f"paraphrases.{paraphrase.id}",
                    value=paraphrase.id,
                    message=f"Another paraphrase would be called {'/'.join(qualified_name)} as well.",
                    file=f"{task.data_set}/{task.name}.json",
                )
            known_names.add(qualified_name)


def _reject_duplicate_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _DuplicateJsonKey(next(key for key in keys if keys.count(key) > 1))
    return mapping


def _is_share(value: object) -> bool:
    # Compared as it is: a whole number may be too large for a float, and NaN is never in between.
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _find_text_problems(template: str) -> Iterator[tuple[str, str]]:
    """Why a template is no prompt's text: (value, message)."""
    if not template.strip():
        yield "", "The template is empty."
    for hidden_character in hidden_characters.find_hidden(template)[:1]:
        yield (
            hidden_character.name,
            f"The template hides {hidden_character.name} (U+{hidden_character.code_point:04X}) at line "
            f"{hidden_character.line}, column {hidden_character.column}; a reader sees another text than the model "
            "does.",
        )


def _pad_id(id: str) -> str:
    return id.zfill(3) if id.isascii() and id.isdigit() else id


def _split_words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.lower()))
