"""Texts from elsewhere as lines of prompts: a text that is there already stays, a changed one is the next revision."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Team
from mintmark.common import errors
from mintmark.registry import codices, prompts
from mintmark.registry.models import Prompt

from . import import_report, registration, row_ledger
from .file_discovery import FileFormat, PromptFileEntry, PromptFolder
from .multiprompt import TakenByAnotherTeam

_BATCH_SIZE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class _RegisteredFiles:
    """What registering did: prompts with the file of each, how many were there, and what was refused."""

    registered: Sequence[tuple[PromptFileEntry, Prompt]]
    known: int
    refused: Sequence[errors.FieldError]


def load(
    *,
    folder: PromptFolder,
    format: FileFormat,
    caller: Caller,
    namespace: str = "",
    team: str = "",
    is_open: bool = False,
    strict: bool = False,
    dry_run: bool = False,
    progress: import_report.Progress = lambda completed, total: None,
) -> import_report.ImportReport:
    """Register the files of `folder`; those that can't be prompts are in the report's `refused`, each with its reason.

    `namespace` and `team` are the format's own name where they are empty. `is_open` lets everybody read the texts.
    `strict` refuses the whole folder (`UnreadableSource`) where a single file is refused. Raises `name_taken` where a
    line belongs to another team, `invalid_prompt` where the namespace is none. A dry run does all of it and takes
    it back.
    """
    space = namespace or format.kind
    if invalid_rows := prompts.find_problems(
        drafts=[prompts.PromptDraft(namespace=space, name="x", text="x")]
    ):
        raise prompts.InvalidPrompt(invalid_rows[0]["message"], rows=invalid_rows)
    with transaction.atomic():
        owner, _ = Team.objects.get_or_create(
            name=team or format.kind, defaults={"title": f"Read from files ({format.kind})"}
        )
        result = _register(
            folder.entries, namespace=space, caller=caller, team=owner, is_open=is_open,
            progress=progress,
        )  # fmt: skip
        remarks = registration.build_remarks(
            [(entry.prompt_file.first_line, prompt) for entry, prompt in result.registered]
        )
        codex = str(codices.get_default())
        refused_rows = sorted([*folder.refused, *result.refused], key=lambda row: row["row"])
        if dry_run or (strict and refused_rows):
            transaction.set_rollback(True)
    if strict and refused_rows:
        raise import_report.build_unreadable_source(source_name=folder.name, rows=refused_rows)
    return import_report.ImportReport(
        source=folder.name,
        dry_run=dry_run,
        read={"files": folder.files, "other_files": folder.other_file_count},
        registered=len(result.registered),
        unchanged=result.known,
        refused=refused_rows,
        rows=row_ledger.build_prompt_account(
            prompts=[entry.row for entry in folder.entries],
            refused=[row["row"] for row in refused_rows],
        ),
        notes=_build_notes(folder, space=space, team=owner),
        clauses=import_report.ClauseRemarks(
            codex=codex, checked=len(result.registered), remarks=remarks
        ),
    )


def _register(
    entries: Sequence[PromptFileEntry],
    *,
    namespace: str,
    caller: Caller,
    team: Team,
    is_open: bool,
    progress: import_report.Progress,
) -> _RegisteredFiles:
    revisions = Prompt.objects.filter(
        namespace=namespace, name__in=[entry.name for entry in entries]
    ).defer("text")
    stored = list(revisions.select_related("team").order_by("revision"))
    if conflicting := next((prompt for prompt in stored if prompt.team_id != team.pk), None):
        raise TakenByAnotherTeam(
            f"{conflicting.qualified_name} belongs to the team {conflicting.team.name!r}: import into that team, or "
            "into another namespace. Nothing was imported."
        )
    present = {(prompt.name, prompt.digest) for prompt in stored}
    newest = {prompt.name: prompt for prompt in stored}
    new = [entry for entry in entries if (entry.name, _compute_digest(entry)) not in present]
    drafts = [
        (
            entry,
            _build_draft(
                entry, namespace=namespace, is_open=is_open, previous=newest.get(entry.name)
            ),
        )
        for entry in new
    ]
    invalid_rows = prompts.find_problems(drafts=[draft for _, draft in drafts])
    refused_rows = [_build_refused_row(drafts[row["row"]][0], row) for row in invalid_rows]
    unfit = {row["row"] for row in invalid_rows}
    fit = [pair for n, pair in enumerate(drafts) if n not in unfit]
    registered: list[tuple[PromptFileEntry, Prompt]] = []
    progress(0, len(fit))
    for start in range(0, len(fit), _BATCH_SIZE):
        batch = fit[start : start + _BATCH_SIZE]
        batch_prompts = prompts.register_all(
            drafts=[draft for _, draft in batch], author=caller.principal, team=team
        )
        registered += [
            (entry, prompt) for (entry, _), prompt in zip(batch, batch_prompts, strict=True)
        ]
        progress(len(registered), len(fit))
    return _RegisteredFiles(
        registered=registered, known=len(entries) - len(new), refused=refused_rows
    )


def _build_draft(
    entry: PromptFileEntry, *, namespace: str, is_open: bool, previous: Prompt | None
) -> prompts.PromptDraft:
    prompt_file = entry.prompt_file
    # What is not open is found by what its author says of it, never by its words.
    description = prompt_file.description or (prompt_file.text if is_open else "")
    return prompts.PromptDraft(
        namespace=namespace,
        name=entry.name,
        text=prompt_file.text,
        title=prompt_file.title,
        preview=registration.build_preview(description),
        is_open=is_open,
        parent=previous,
        mutation_note="changed in the file" if previous is not None else "",
        tags=prompt_file.tags,
        licence=prompt_file.licence,
        variables=prompt_file.variables,
    )


def _build_refused_row(entry: PromptFileEntry, row: errors.FieldError) -> errors.FieldError:
    return import_report.SourceFieldError(
        row=entry.row,
        field=row["field"],
        value=row["value"],
        message=row["message"],
        file=entry.file,
        line=entry.prompt_file.first_line if row["field"] == "text" else 1,
    )


def _build_notes(folder: PromptFolder, *, space: str, team: Team) -> list[str]:
    ignored_fields = sorted(
        {name for entry in folder.entries for name in entry.prompt_file.ignored_fields}
    )
    notes = [f"The namespace is {space}, the team {team.name}."]
    if ignored_fields:
        notes.append(f"Not kept of the front matter: {', '.join(ignored_fields)}.")
    file_notes = [entry.prompt_file.note for entry in folder.entries if entry.prompt_file.note]
    return [*notes, *folder.notes, *file_notes]


def _compute_digest(entry: PromptFileEntry) -> str:
    return hashlib.sha256(entry.prompt_file.text.encode()).hexdigest()
