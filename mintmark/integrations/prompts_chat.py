"""`mintmark import prompts-csv`: the public list of prompts.chat as open prompts, a table of one's own as closed.

A title becomes a name (`prompts-chat/linux-terminal`). Where two texts of a file would have the
same name, the first keeps it and the others carry the start of their digest, so that rows added to
a later copy of the list rename nothing. A text that changed since the last import becomes the next
revision of its line. The whole list is one transaction.
"""

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
from .prompts_chat_csv import PromptTable, TableEntry

TEAM = "prompts-chat"
NAMESPACE = "prompts-chat"
LICENCE = "CC0-1.0"
_BATCH_SIZE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class _NamedEntry:
    """A row with the name it goes by."""

    entry: TableEntry
    name: str
    digest: str


def load(
    *,
    table: PromptTable,
    source: str,
    caller: Caller,
    strict: bool = False,
    dry_run: bool = False,
    progress: import_report.Progress = lambda completed, total: None,
) -> import_report.ImportReport:
    """Register the rows of `table`; those that can't be prompts are in the report's `refused`, each
    with its reason.

    `strict` refuses the whole table (`UnreadableSource`) where a single row is refused. A dry run
    does all of it and takes it back.
    """
    named_entries, notes = _assign_names(table)
    refused_rows = list(table.refused)
    with transaction.atomic():
        team, _ = Team.objects.get_or_create(name=TEAM, defaults={"title": "prompts.chat, CC0"})
        drafts, known = _build_drafts(named_entries, is_public_list=table.is_public_list)
        registered = 0
        remarks: list[import_report.ClauseRemark] = []
        progress(0, len(drafts))
        for start in range(0, len(drafts), _BATCH_SIZE):
            registered_prompts, newly_refused = _register(
                drafts=drafts[start : start + _BATCH_SIZE], table=table, caller=caller, team=team
            )
            registered += len(registered_prompts)
            refused_rows += newly_refused
            remarks += registration.build_remarks(
                [(entry.line, prompt) for entry, prompt in registered_prompts]
            )
            progress(min(start + _BATCH_SIZE, len(drafts)), len(drafts))
        codex = str(codices.get_default())
        if dry_run or (strict and refused_rows):
            transaction.set_rollback(True)
    refused_rows.sort(key=lambda row: row["row"])
    if strict and refused_rows:
        raise import_report.build_unreadable_source(source_name=source, rows=refused_rows)
    if not table.is_public_list:
        notes.append(
            "It lacks columns of prompts.chat's list (for_devs, type): its texts are the team's alone, without a "
            "licence."
        )
    if table.other_columns:
        notes.append(f"Columns not kept: {', '.join(table.other_columns)}.")
    return import_report.ImportReport(
        source=source,
        dry_run=dry_run,
        read={"rows": table.rows, "repeated_rows": len(table.entries) - len(named_entries)},
        registered=registered,
        unchanged=known,
        refused=refused_rows,
        rows=row_ledger.build_prompt_account(
            prompts=[named.entry.row for named in named_entries],
            refused=[row["row"] for row in refused_rows],
            left_out=_list_repeated(table, named_entries),
        ),
        notes=notes,
        clauses=import_report.ClauseRemarks(codex=codex, checked=registered, remarks=remarks),
    )


def _list_repeated(
    table: PromptTable, named_entries: Sequence[_NamedEntry]
) -> list[tuple[int, str]]:
    """The rows that repeat another, title and text."""
    named_rows = {named.entry.row for named in named_entries}
    return [
        (entry.row, "a row that stands twice")
        for entry in table.entries
        if entry.row not in named_rows
    ]


def _assign_names(table: PromptTable) -> tuple[list[_NamedEntry], list[str]]:
    """A name for every distinct prompt of the table in its order, and notes on rows that look
    alike.
    """
    notes: list[str] = []
    digest_by_name: dict[str, str] = {}
    first_by_key: dict[tuple[str, str], TableEntry] = {}
    first_by_digest: dict[str, TableEntry] = {}
    named_entries: list[_NamedEntry] = []
    for entry in table.entries:
        digest = hashlib.sha256(entry.text.encode()).hexdigest()
        name = entry.slug
        if digest_by_name.setdefault(name, digest) != digest:
            name = f"{entry.slug}-{digest[:6]}"
        first = first_by_key.setdefault((name, digest), entry)
        if first is not entry:
            notes.append(
                f"Line {entry.line} repeats line {first.line}, title and text: one prompt."
            )
            continue
        if name != entry.slug:
            notes.append(
                f"Line {entry.line} has a title of another text, so it is called {name!r}."
            )
        twin = first_by_digest.setdefault(digest, entry)
        if twin is not entry:
            notes.append(
                f"Line {entry.line} has the text of line {twin.line} under another title: two "
                f"prompts, one digest."
            )
        named_entries.append(_NamedEntry(entry=entry, name=name, digest=digest))
    return named_entries, notes


def _build_drafts(
    named_entries: Sequence[_NamedEntry], *, is_public_list: bool
) -> tuple[list[tuple[TableEntry, prompts.PromptDraft]], int]:
    """What is to be registered, with the row that it comes from, and how many prompts are there
    already.
    """
    stored = list(Prompt.objects.filter(namespace=NAMESPACE).defer("text").order_by("revision"))
    present = {(prompt.name, prompt.digest) for prompt in stored}
    newest = {prompt.name: prompt for prompt in stored}
    drafts = []
    for row in named_entries:
        # Under either name: an earlier copy of the list may have had its namesakes in another
        # order.
        slug = row.entry.slug
        if {(slug, row.digest), (f"{slug}-{row.digest[:6]}", row.digest)} & present:
            continue
        previous = newest.get(row.name)
        drafts.append(
            (
                row.entry,
                prompts.PromptDraft(
                    namespace=NAMESPACE,
                    name=row.name,
                    text=row.entry.text,
                    title=row.entry.title,
                    # What is not open is found by what its author calls it, never by its words.
                    preview=registration.build_preview(row.entry.text) if is_public_list else "",
                    is_open=is_public_list,
                    parent=previous,
                    mutation_note="changed in the list" if previous is not None else "",
                    tags=row.entry.tags,
                    licence=LICENCE if is_public_list else "",
                ),
            )
        )
    return drafts, len(named_entries) - len(drafts)


def _register(
    *,
    drafts: Sequence[tuple[TableEntry, prompts.PromptDraft]],
    table: PromptTable,
    caller: Caller,
    team: Team,
) -> tuple[list[tuple[TableEntry, Prompt]], list[errors.FieldError]]:
    """Register what can be; what was, with the row that it comes from, and the rows that were refused."""
    try:
        registered_prompts = prompts.register_all(
            drafts=[draft for _, draft in drafts], author=caller.principal, team=team
        )
        return [
            (entry, prompt) for (entry, _), prompt in zip(drafts, registered_prompts, strict=True)
        ], []
    except prompts.InvalidPrompt as error:
        refused_rows = [
            table.build_refused_row(
                entry=drafts[row["row"]][0],
                field={"text": "prompt", "name": "act"}.get(row["field"], row["field"]),
                value=row["value"],
                message=row["message"],
            )
            for row in error.rows
        ]
        bad = {row["row"] for row in error.rows}
        rest = [pair for n, pair in enumerate(drafts) if n not in bad]
        registered, more_refused_rows = _register(
            drafts=rest, table=table, caller=caller, team=team
        )
        return registered, refused_rows + more_refused_rows
