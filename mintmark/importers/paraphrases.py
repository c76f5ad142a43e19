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

from mintmark.core import errors, unicode

from . import reports

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
class Task:
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

    def line(self, paraphrase: Paraphrase) -> str:
        """The name of a paraphrase's line: `causal_judgement-017`."""
        return f"{self.name}-{_padded(paraphrase.id)}"

    def original_of(self, paraphrase: Paraphrase) -> Paraphrase | None:
        """What a paraphrase derives from: the original that shares most words with it, the first of
        equals.

        The files do not say which of several originals it was (LMentry has three to a task); alike
        is measured as shared words over all words (Jaccard). None for an original.
        """
        if paraphrase.is_original:
            return None
        words = _words(paraphrase.template)

        def likeness(original: Paraphrase) -> float:
            others = _words(original.template)
            return len(words & others) / max(1, len(words | others))

        return max((p for p in self.paraphrases if p.is_original), key=likeness)


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Every task found in a folder, and the files there that are none."""

    tasks: Sequence[Task]
    ignored: Sequence[str]

    def counts(self) -> dict[str, int]:
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


def read(*, folder: Path) -> Corpus:
    """Every task in `folder` (`DATASET/task.json`, or `task.json` in the folder of one data set).

    Raises `UnreadableSource` that names every broken file and value; a corpus is read whole or not
    at all.
    """
    if not folder.is_dir():
        raise reports.UnreadableSource(
            f"{folder} is no folder; give the one that holds the data sets, such as BBH and "
            f"LMentry."
        )
    files, ignored = _find(folder)
    if not files:
        raise reports.UnreadableSource(
            f"{folder} holds no .json file of a task; give the folder that holds BBH/*.json and "
            f"LMentry/*.json."
        )
    problems: list[errors.Row] = []
    tasks = []
    for file in files:
        found = _Reader(file=file, shown=str(file.relative_to(folder.parent)))
        task = found.task()
        problems += found.problems
        if task is not None:
            tasks.append(task)
    problems += _same_lines(tasks)
    if problems:
        raise reports.unreadable(what=str(folder), places=problems)
    return Corpus(tasks=tasks, ignored=ignored)


def _find(folder: Path) -> tuple[list[Path], list[str]]:
    files, ignored = [], []
    for path in sorted([*folder.glob("*"), *folder.glob("*/*")]):
        if path.suffix == ".json":
            files.append(path)
        elif not path.is_dir():
            ignored.append(str(path.relative_to(folder)))
    return files, ignored


class _Repeated(ValueError):
    """A JSON object names a key twice, and all but the last would be lost."""


class _Reader:
    """Reads one file into a task, and collects what is wrong with it."""

    def __init__(self, *, file: Path, shown: str) -> None:
        self.file = file
        self.shown = shown
        self.problems: list[errors.Row] = []

    def task(self) -> Task | None:
        """The task, or None where `problems` say why not."""
        if not _TASK.fullmatch(self.file.stem):
            self._refuse(
                field="",
                value=self.file.stem,
                message="The file is named after its task: 1 to 80 letters, digits or . + - _",
            )
            return None
        content = self._content()
        if self.problems:
            return None
        listed = content.get("paraphrases") if isinstance(content, dict) else None
        if not isinstance(listed, dict) or not listed:
            self._refuse(
                field="paraphrases",
                value=type(listed).__name__,
                message='The file must be {"paraphrases": {id: …}} with at least one paraphrase.',
            )
            return None
        read = [
            self._paraphrase(row=n, id=id, raw=raw) for n, (id, raw) in enumerate(listed.items())
        ]
        paraphrases = [paraphrase for paraphrase in read if paraphrase is not None]
        if not any(paraphrase.is_original for paraphrase in paraphrases) and not self.problems:
            self._refuse(
                field="method",
                value="",
                message=f"No paraphrase has the method {ORIGINAL!r}; nothing says what the "
                f"others derive from.",
            )
        if self.problems:
            return None
        # An original comes before what derives from it, wherever the file has it.
        paraphrases.sort(key=lambda paraphrase: not paraphrase.is_original)
        return Task(
            data_set=self.file.parent.resolve().name, name=self.file.stem, paraphrases=paraphrases
        )

    def _content(self) -> Any:
        try:
            size = self.file.stat().st_size
            if size > MAX_FILE_BYTES:
                return self._refuse(
                    field="",
                    value=size,
                    message=f"{size:,} bytes; at most {MAX_FILE_BYTES:,} are read.",
                )
            return json.loads(
                self.file.read_bytes().decode("utf-8-sig"),
                object_pairs_hook=_without_repeats,
                parse_constant=_no_constant,
            )
        except OSError as failed:
            return self._refuse(field="", value="", message=f"It can't be read: {failed.strerror}.")
        except UnicodeDecodeError as failed:
            return self._refuse(
                field="",
                value="",
                message=f"It is not UTF-8: byte {failed.start} is {failed.reason}.",
            )
        except json.JSONDecodeError as failed:
            return self._refuse(
                field="", value="", message=f"It is not JSON: {failed.msg} (column "
                f"{failed.colno}).",
                line=failed.lineno,
            )  # fmt: skip
        except _Repeated as failed:
            return self._refuse(
                field=str(failed)[:100],
                value="",
                message=f"The key {str(failed)[:100]!r} stands twice.",
            )
        except (
            RecursionError,
            ValueError,
        ) as failed:  # too deep; a number that is none, or too long
            message = "nested too deeply" if isinstance(failed, RecursionError) else str(failed)
            return self._refuse(field="", value="", message=f"It can't be read: {message}.")

    def _paraphrase(self, *, row: int, id: str, raw: object) -> Paraphrase | None:
        before = len(self.problems)
        where = f"paraphrases.{id[:64]}"

        def refuse(name: str, value: object, message: str) -> None:
            self._refuse(field=f"{where}.{name}".rstrip("."), value=value, message=message, row=row)

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
            for value, message in _unfit(template):
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

    def _refuse(
        self, *, field: str, value: object, message: str, row: int = 0, line: int | None = None
    ) -> None:
        self.problems.append(
            reports.Place(
                row=row, field=field, value=value, message=message, file=self.shown, line=line
            )
        )


def _same_lines(tasks: Sequence[Task]) -> Iterator[errors.Row]:
    """Two paraphrases of one name: ids such as 7 and 07, data sets such as BBH and bbh."""
    seen: set[tuple[str, str]] = set()
    for task in tasks:
        if not task.namespace:
            yield reports.Place(
                row=0,
                field="",
                value=task.data_set,
                message="The folder's name has no letter to call its data set by.",
                file=task.data_set,
            )
        for row, paraphrase in enumerate(task.paraphrases):
            line = (task.namespace, task.line(paraphrase))
            if line in seen:
                yield reports.Place(
                    row=row,
                    field=f"paraphrases.{paraphrase.id}",
                    value=paraphrase.id,
                    message=f"Another paraphrase would be called {'/'.join(line)} as well.",
                    file=f"{task.data_set}/{task.name}.json",
                )
            seen.add(line)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _Repeated(next(key for key in keys if keys.count(key) > 1))
    return read


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _is_share(value: object) -> bool:
    # Compared as it is: a whole number may be too large for a float, and NaN is never in between.
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _unfit(template: str) -> Iterator[tuple[str, str]]:
    """Why a template is no prompt's text: (value, message)."""
    if not template.strip():
        yield "", "The template is empty."
    for place in unicode.hidden(template)[:1]:
        yield (
            place.name,
            f"The template hides {place.name} (U+{place.code_point:04X}) at line {place.line}, "
            f"column "
            f"{place.column}; a reader sees another text than the model does.",
        )


def _padded(id: str) -> str:
    return id.zfill(3) if id.isascii() and id.isdigit() else id


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.lower()))
