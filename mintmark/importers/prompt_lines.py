"""Texts from elsewhere as lines of prompts: a text that is there already stays, a changed one is the next revision."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Team
from mintmark.core import errors
from mintmark.registry import codices, prompts
from mintmark.registry.models import Prompt

from . import reports
from .multiprompt import TakenByAnotherTeam
from .prompt_files import Entry, Folder, Format

_CHUNK = 100
_PREVIEW = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """What registering did: prompts with the file of each, how many were there, and what was refused."""

    made: Sequence[tuple[Entry, Prompt]]
    known: int
    refused: Sequence[errors.Row]


def load(
    *,
    folder: Folder,
    format: Format,
    caller: Caller,
    namespace: str = "",
    team: str = "",
    is_open: bool = False,
    strict: bool = False,
    dry_run: bool = False,
    progress: reports.Progress = lambda done, total: None,
) -> reports.Report:
    """Register the files of `folder`; those that can't be prompts are in the report's `refused`, each with its reason.

    `namespace` and `team` are the format's own name where they are empty. `is_open` lets everybody read the texts.
    `strict` refuses the whole folder (`UnreadableSource`) where a single file is refused. Raises `name_taken` where a
    line belongs to another team, `invalid_prompt` where the namespace is none. A dry run does all of it and takes
    it back.
    """
    space = namespace or format.kind
    if wrong := prompts.problems(drafts=[prompts.Draft(namespace=space, name="x", text="x")]):
        raise prompts.InvalidPrompt(wrong[0]["message"], rows=wrong)
    with transaction.atomic():
        owner, _ = Team.objects.get_or_create(
            name=team or format.kind, defaults={"title": f"Read from files ({format.kind})"}
        )
        done = _register(
            folder.entries, namespace=space, caller=caller, team=owner, is_open=is_open,
            progress=progress,
        )  # fmt: skip
        remarks = _remarks(done.made)
        codex = str(codices.default())
        refused = sorted([*folder.refused, *done.refused], key=lambda row: row["row"])
        if dry_run or (strict and refused):
            transaction.set_rollback(True)
    if strict and refused:
        raise reports.unreadable(what=folder.name, places=refused)
    return reports.Report(
        source=folder.name,
        dry_run=dry_run,
        read={"files": folder.files, "other_files": folder.others},
        registered=len(done.made),
        unchanged=done.known,
        refused=refused,
        notes=_notes(folder, space=space, team=owner),
        clauses=reports.Clauses(codex=codex, checked=len(done.made), remarks=remarks),
    )


def _register(
    entries: Sequence[Entry],
    *,
    namespace: str,
    caller: Caller,
    team: Team,
    is_open: bool,
    progress: reports.Progress,
) -> _Made:
    revisions = Prompt.objects.filter(
        namespace=namespace, name__in=[entry.name for entry in entries]
    ).defer("text")
    stored = list(revisions.select_related("team").order_by("revision"))
    if taken := next((prompt for prompt in stored if prompt.team_id != team.pk), None):
        raise TakenByAnotherTeam(
            f"{taken.line} belongs to the team {taken.team.name!r}: import into that team, or into another namespace. "
            "Nothing was imported."
        )
    present = {(prompt.name, prompt.digest) for prompt in stored}
    newest = {prompt.name: prompt for prompt in stored}
    new = [entry for entry in entries if (entry.name, _digest(entry)) not in present]
    drafts = [
        (entry, _draft(entry, namespace=namespace, is_open=is_open, before=newest.get(entry.name)))
        for entry in new
    ]
    bad = prompts.problems(drafts=[draft for _, draft in drafts])
    refused = [_refusal(drafts[row["row"]][0], row) for row in bad]
    unfit = {row["row"] for row in bad}
    fit = [pair for n, pair in enumerate(drafts) if n not in unfit]
    made: list[tuple[Entry, Prompt]] = []
    progress(0, len(fit))
    for start in range(0, len(fit), _CHUNK):
        part = fit[start : start + _CHUNK]
        done = prompts.register_all(
            drafts=[draft for _, draft in part], author=caller.principal, team=team
        )
        made += [(entry, prompt) for (entry, _), prompt in zip(part, done, strict=True)]
        progress(len(made), len(fit))
    return _Made(made=made, known=len(entries) - len(new), refused=refused)


def _draft(entry: Entry, *, namespace: str, is_open: bool, before: Prompt | None) -> prompts.Draft:
    written = entry.written
    # What is not open is found by what its author says of it, never by its words.
    told = written.description or (written.text if is_open else "")
    return prompts.Draft(
        namespace=namespace,
        name=entry.name,
        text=written.text,
        title=written.title,
        preview=" ".join(told.split())[:_PREVIEW],
        is_open=is_open,
        parent=before,
        mutation_note="changed in the file" if before is not None else "",
        tags=written.tags,
        licence=written.licence,
        variables=written.variables,
    )


def _refusal(entry: Entry, row: errors.Row) -> errors.Row:
    return reports.Place(
        row=entry.row,
        field=row["field"],
        value=row["value"],
        message=row["message"],
        file=entry.file,
        line=entry.written.line if row["field"] == "text" else 1,
    )


def _remarks(made: Sequence[tuple[Entry, Prompt]]) -> list[reports.Remark]:
    """What the codex that binds everybody says of prompts that were registered."""
    checked = codices.checked(prompts=[prompt for _, prompt in made])
    return [
        reports.Remark(
            line=entry.written.line,
            prompt=one.prompt.reference,
            clause=verdict.clause,
            severity=verdict.severity,
            says=verdict.why,
            excerpt=verdict.excerpt,
        )
        for (entry, _), one in zip(made, checked, strict=True)
        for verdict in one.broken
    ]


def _notes(folder: Folder, *, space: str, team: Team) -> list[str]:
    unkept = sorted({name for entry in folder.entries for name in entry.written.unkept})
    notes = [f"The namespace is {space}, the team {team.name}."]
    if unkept:
        notes.append(f"Not kept of the front matter: {', '.join(unkept)}.")
    return [*notes, *(entry.written.note for entry in folder.entries if entry.written.note)]


def _digest(entry: Entry) -> str:
    return hashlib.sha256(entry.written.text.encode()).hexdigest()
