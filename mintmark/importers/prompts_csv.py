"""`mintmark import prompts-csv`: the public list of prompts.chat as open prompts.

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
from mintmark.core import errors
from mintmark.registry import codices, prompts
from mintmark.registry.models import Prompt

from . import reports
from .prompt_table import Entry, Table

TEAM = "prompts-chat"
NAMESPACE = "prompts-chat"
LICENCE = "CC0-1.0"
_CHUNK = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """A row with the name it goes by."""

    entry: Entry
    name: str
    digest: str


def load(
    *,
    table: Table,
    source: str,
    caller: Caller,
    strict: bool = False,
    dry_run: bool = False,
    progress: reports.Progress = lambda done, total: None,
) -> reports.Report:
    """Register the rows of `table`; those that can't be prompts are in the report's `refused`, each
    with its reason.

    `strict` refuses the whole table (`UnreadableSource`) where a single row is refused. A dry run
    does all of it and takes it back.
    """
    named, notes = _named(table)
    refused = list(table.refused)
    with transaction.atomic():
        team, _ = Team.objects.get_or_create(name=TEAM, defaults={"title": "prompts.chat, CC0"})
        drafts, known = _drafts(named)
        registered = 0
        remarks: list[reports.Remark] = []
        progress(0, len(drafts))
        for start in range(0, len(drafts), _CHUNK):
            made, no_prompts = _register(
                drafts=drafts[start : start + _CHUNK], table=table, caller=caller, team=team
            )
            registered += len(made)
            refused += no_prompts
            remarks += _remarks(made)
            progress(min(start + _CHUNK, len(drafts)), len(drafts))
        codex = str(codices.default())
        if dry_run or (strict and refused):
            transaction.set_rollback(True)
    refused.sort(key=lambda row: row["row"])
    if strict and refused:
        raise reports.unreadable(what=source, places=refused)
    if table.other_columns:
        notes.append(f"Columns not kept: {', '.join(table.other_columns)}.")
    return reports.Report(
        source=source,
        dry_run=dry_run,
        read={"rows": table.rows, "repeated_rows": len(table.entries) - len(named)},
        registered=registered,
        unchanged=known,
        refused=refused,
        notes=notes,
        clauses=reports.Clauses(codex=codex, checked=registered, remarks=remarks),
    )


def _remarks(made: Sequence[tuple[Entry, Prompt]]) -> list[reports.Remark]:
    """What the codex that binds everybody says of prompts that were registered."""
    checked = codices.checked(prompts=[prompt for _, prompt in made])
    return [
        reports.Remark(
            line=entry.line,
            prompt=one.prompt.reference,
            clause=verdict.clause,
            severity=verdict.severity,
            says=verdict.why,
            excerpt=verdict.excerpt,
        )
        for (entry, _), one in zip(made, checked, strict=True)
        for verdict in one.broken
    ]


def _named(table: Table) -> tuple[list[_Named], list[str]]:
    """A name for every distinct prompt of the table in its order, and notes on rows that look
    alike.
    """
    notes: list[str] = []
    digest_of: dict[str, str] = {}
    first_of: dict[tuple[str, str], Entry] = {}
    first_with: dict[str, Entry] = {}
    named: list[_Named] = []
    for entry in table.entries:
        digest = hashlib.sha256(entry.text.encode()).hexdigest()
        name = entry.slug
        if digest_of.setdefault(name, digest) != digest:
            name = f"{entry.slug}-{digest[:6]}"
        first = first_of.setdefault((name, digest), entry)
        if first is not entry:
            notes.append(
                f"Line {entry.line} repeats line {first.line}, title and text: one prompt."
            )
            continue
        if name != entry.slug:
            notes.append(
                f"Line {entry.line} has a title of another text, so it is called {name!r}."
            )
        twin = first_with.setdefault(digest, entry)
        if twin is not entry:
            notes.append(
                f"Line {entry.line} has the text of line {twin.line} under another title: two "
                f"prompts, one digest."
            )
        named.append(_Named(entry=entry, name=name, digest=digest))
    return named, notes


def _drafts(named: Sequence[_Named]) -> tuple[list[tuple[Entry, prompts.Draft]], int]:
    """What is to be registered, with the row that it comes from, and how many prompts are there
    already.
    """
    stored = list(Prompt.objects.filter(namespace=NAMESPACE).defer("text").order_by("revision"))
    present = {(prompt.name, prompt.digest) for prompt in stored}
    newest = {prompt.name: prompt for prompt in stored}
    drafts = []
    for row in named:
        # Under either name: an earlier copy of the list may have had its namesakes in another
        # order.
        slug = row.entry.slug
        if {(slug, row.digest), (f"{slug}-{row.digest[:6]}", row.digest)} & present:
            continue
        before = newest.get(row.name)
        drafts.append(
            (
                row.entry,
                prompts.Draft(
                    namespace=NAMESPACE,
                    name=row.name,
                    text=row.entry.text,
                    title=row.entry.title,
                    preview=" ".join(row.entry.text.split())[:200],
                    is_open=True,
                    parent=before,
                    mutation_note="changed in the list" if before is not None else "",
                    tags=row.entry.tags,
                    licence=LICENCE,
                ),
            )
        )
    return drafts, len(named) - len(drafts)


def _register(
    *, drafts: Sequence[tuple[Entry, prompts.Draft]], table: Table, caller: Caller, team: Team
) -> tuple[list[tuple[Entry, Prompt]], list[errors.Row]]:
    """Register what can be; what was, with the row that it comes from, and the rows that were refused."""
    try:
        made = prompts.register_all(
            drafts=[draft for _, draft in drafts], author=caller.principal, team=team
        )
        return [(entry, prompt) for (entry, _), prompt in zip(drafts, made, strict=True)], []
    except prompts.InvalidPrompt as invalid:
        refused = [
            table.refusal(
                entry=drafts[row["row"]][0],
                field={"text": "prompt", "name": "act"}.get(row["field"], row["field"]),
                value=row["value"],
                message=row["message"],
            )
            for row in invalid.rows
        ]
        bad = {row["row"] for row in invalid.rows}
        rest = [pair for n, pair in enumerate(drafts) if n not in bad]
        registered, more = _register(drafts=rest, table=table, caller=caller, team=team)
        return registered, refused + more
