"""Prompts: register exact texts, find them, say who may read them."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Principal, Role, Team
from mintmark.core import errors, placeholders, unicode, wording

from . import entitlements
from .models import Assistant, Derivation, Prompt, Tagging

MAX_TEXT_CHARACTERS = 500_000
_NAMESPACE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_NAME = re.compile(r"[\w][\w .:/()&,'+-]{0,199}")


class InvalidPrompt(errors.Refusal):
    """A prompt's text or metadata can't be registered; nothing was."""

    code = "invalid_prompt"


class RevisionTaken(errors.Refusal):
    """This revision of the line is registered already, with another text."""

    code = "revision_taken"


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A prompt about to be registered. `parent` is a registered prompt; `revision` None takes the line's next."""

    namespace: str
    name: str
    text: str
    revision: int | None = None
    title: str = ""
    preview: str | None = None
    is_open: bool = False
    parent: Prompt | None = None
    mutation_note: str = ""
    forked_by: Assistant | None = None
    tags: Sequence[str] = ()
    licence: str = ""
    variables: Sequence[str] | None = None
    allow_hidden_unicode: bool = field(default=False)


def register(*, draft: Draft, author: Principal, team: Team) -> Prompt:
    """Register one text for ever; the same text under the same revision again returns what is there.

    Raises `InvalidPrompt` (naming the field and the place) or `RevisionTaken`.
    """
    return register_all(drafts=[draft], author=author, team=team)[0]


def register_all(*, drafts: Sequence[Draft], author: Principal, team: Team) -> list[Prompt]:
    """Register many texts, all of them or none; prompts in the order of `drafts`."""
    found = problems(drafts=drafts)
    if found:
        raise InvalidPrompt(
            f"{found[0]['message']}"
            + (f" ({len(found)} problems in {len(drafts)} prompts.)" if len(drafts) > 1 else ""),
            rows=found,
        )
    with transaction.atomic():
        lines = _lines(drafts)
        rows = [_found_or_new(draft, lines=lines, author=author, team=team) for draft in drafts]
        new = list({id(prompt): prompt for prompt in rows if prompt.pk is None}.values())
        try:
            with transaction.atomic():
                Prompt.objects.bulk_create(new, batch_size=500)
        except IntegrityError as taken:  # another writer came between the look and the insert
            raise RevisionTaken(
                f"One of {new[0].reference}{' and those after it' if new[1:] else ''} was registered by another "
                "writer just now; read the line again and register the next revision."
            ) from taken
        Tagging.objects.bulk_create(
            [Tagging(prompt=prompt, tag=tag) for prompt in new for tag in prompt.tags]
        )
        return rows


def problems(*, drafts: Sequence[Draft]) -> list[errors.Row]:
    """What keeps these drafts from being registered, whatever is registered already; nothing where they fit."""
    return [row for n, draft in enumerate(drafts) for row in _problems(draft, row=n)]


type _Lines = dict[tuple[str, str], dict[int, Prompt]]


def _lines(drafts: Sequence[Draft]) -> _Lines:
    """The revisions of every line that the drafts name, in one look."""
    lines: _Lines = {(draft.namespace, draft.name): {} for draft in drafts}
    revisions = Prompt.objects.select_related("team").filter(
        namespace__in={namespace for namespace, _ in lines}, name__in={name for _, name in lines}
    )
    for prompt in revisions:
        if (prompt.namespace, prompt.name) in lines:
            lines[prompt.namespace, prompt.name][prompt.revision] = prompt
    return lines


def _found_or_new(draft: Draft, *, lines: _Lines, author: Principal, team: Team) -> Prompt:
    """The prompt that is there already, or one that is yet to be inserted and is from now on part of its line."""
    line = lines[draft.namespace, draft.name]
    digest = hashlib.sha256(draft.text.encode()).hexdigest()
    revision = draft.revision if draft.revision is not None else max(line, default=0) + 1
    there = line.get(revision)
    if there is not None:
        if there.digest == digest and there.team_id == team.pk:
            return there
        raise RevisionTaken(
            f"{there.reference} is registered with the text sha256:{there.digest[:12]}…; a registered text "
            f"never changes, so register this one as revision {revision + 1} or higher."
        )
    if any(prompt.team_id != team.pk for prompt in line.values()):
        raise errors.Forbidden(
            f"The line {draft.namespace}/{draft.name} belongs to another team; fork it under a namespace of yours."
        )
    line[revision] = Prompt(
        namespace=draft.namespace,
        name=draft.name,
        revision=revision,
        title=draft.title,
        text=draft.text,
        digest=digest,
        preview=draft.preview if draft.preview is not None else "",
        is_open=draft.is_open,
        parent=draft.parent,
        derivation=_derivation(draft),
        mutation_note=draft.mutation_note,
        forked_by=draft.forked_by,
        author=author,
        team=team,
        variables=list(draft.variables)
        if draft.variables is not None
        else placeholders.names(draft.text),
        tags=list(dict.fromkeys(draft.tags)),
        licence=draft.licence,
        wording=wording.features(draft.text).tobytes(),
        wording_version=wording.VERSION,
    )
    return line[revision]


def visible_to(*, caller: Caller) -> QuerySet[Prompt]:
    """The prompts whose existence, scores and lineage a caller may know: all, to whoever is signed in."""
    return Prompt.objects.all()


def readable_by(*, caller: Caller) -> QuerySet[Prompt]:
    """The prompts whose text a caller may read: open ones, his teams', those his teams are entitled to."""
    if caller.is_admin:
        return Prompt.objects.all()
    return Prompt.objects.filter(entitlements.served_to(team_ids=caller.team_ids))


def usable(*, caller: Caller, team_id: int) -> QuerySet[Prompt]:
    """The prompts that a team's assistants may use and a caller may read: what was withdrawn is nobody's to use."""
    served = readable_by(caller=caller).filter(entitlements.served_to(team_ids={team_id}))
    return served.filter(tombstone__isnull=True)


def may_read_text(*, caller: Caller, prompt: Prompt) -> bool:
    """Whether a caller may read this prompt's text."""
    return readable_by(caller=caller).filter(pk=prompt.pk).exists()


def require_author(*, caller: Caller, team: Team) -> None:
    """Refuse unless the caller may register prompts for `team`."""
    if not caller.has_role(Role.AUTHOR, team_id=team.pk):
        raise errors.Forbidden(f"Registering prompts for team {team} takes its role 'author'.")


def named(*, reference: str) -> Prompt:
    """The prompt that `line@revision`, `line@label`, `line` (its latest), `sha256:…` or an id names."""
    found = _named(reference.strip())
    if found is None:
        raise errors.NotFound(
            f"No prompt {reference[:200]!r}: name it as namespace/name@revision, namespace/name@label, "
            "sha256:… or by its id."
        )
    return found


def _named(reference: str) -> Prompt | None:
    if reference.isascii() and reference.isdigit() and len(reference) < 19:
        return Prompt.objects.filter(pk=int(reference)).first()
    if reference.startswith("sha256:"):
        return Prompt.objects.filter(digest=reference[7:]).order_by("id").first()
    line, _, at = reference.rpartition("@") if "@" in reference else (reference, "", "")
    namespace, _, name = line.partition("/")
    revisions = Prompt.objects.filter(namespace=namespace, name=name)
    if "@" not in reference:
        return revisions.order_by("-revision").first()
    if at.isascii() and at.isdigit() and len(at) < 10:
        return revisions.filter(revision=int(at)).first()
    return revisions.filter(
        labels__label=at, labels__namespace=namespace, labels__name=name
    ).first()


def lineage(*, prompt: Prompt, limit: int = 400) -> list[Prompt]:
    """The family of a prompt: its ancestors up to the root, then all that descends from that root, nearest first."""
    root = prompt
    seen = {prompt.pk}
    ancestors: list[Prompt] = []
    while root.parent is not None and root.parent_id not in seen:
        root = root.parent
        seen.add(root.pk)
        ancestors.append(root)
    family = [prompt, *ancestors]
    frontier: list[int] = [prompt.pk]
    pending = [[a.pk for a in ancestors]]
    while len(family) < limit and (frontier or pending):
        children = list(
            Prompt.objects.filter(parent__in=frontier)
            .exclude(pk__in=seen)
            .order_by("id")[: limit - len(family)]
        )
        family += children
        seen |= {child.pk for child in children}
        frontier = [child.pk for child in children] or (pending.pop(0) if pending else [])
    return family


def _derivation(draft: Draft) -> str:
    if draft.parent is None:
        return Derivation.ROOT
    same_line = (draft.parent.namespace, draft.parent.name) == (draft.namespace, draft.name)
    return Derivation.REVISION if same_line else Derivation.FORK


def _problems(draft: Draft, *, row: int) -> list[errors.Row]:
    found: list[errors.Row] = []

    def refuse(name: str, value: object, message: str) -> None:
        found.append(errors.Row(row=row, field=name, value=value, message=message))

    if not _NAMESPACE.fullmatch(draft.namespace):
        refuse("namespace", draft.namespace, "A namespace is 1 to 64 of a-z, 0-9, '-' and '_'.")
    if not _NAME.fullmatch(draft.name) or draft.name != draft.name.strip():
        refuse(
            "name",
            draft.name,
            "A name is 1 to 200 letters, digits, spaces or . : / ( ) & , ' + - _",
        )
    if draft.revision is not None and not 1 <= draft.revision <= 2**31 - 1:
        refuse("revision", draft.revision, "A revision is a whole number from 1.")
    if not draft.text.strip():
        refuse("text", "", "The text is empty; a prompt needs at least one visible character.")
    if len(draft.text) > MAX_TEXT_CHARACTERS:
        refuse(
            "text",
            f"{len(draft.text)} characters",
            f"The text has {len(draft.text):,} characters; at most {MAX_TEXT_CHARACTERS:,} are taken.",
        )
    elif not draft.allow_hidden_unicode:
        for place in unicode.hidden(draft.text)[:1]:
            refuse(
                "text",
                place.name,
                f"The text hides {place.name} (U+{place.code_point:04X}) at line {place.line}, column "
                f"{place.column}: remove it, or a reader sees another prompt than the model does.",
            )
    for tag in draft.tags:
        if not isinstance(tag, str) or not 1 <= len(tag) <= 100 or not tag.isprintable():
            refuse("tags", tag, "A tag is 1 to 100 printable characters.")
    return found


def summary(prompt: Prompt) -> Mapping[str, Any]:
    """What everybody may know of a prompt: identity, lineage, tags; never its text."""
    return {
        "id": prompt.pk,
        "reference": prompt.reference,
        "digest": f"sha256:{prompt.digest}",
        "title": prompt.title,
        "preview": prompt.preview,
        "parent": prompt.parent_id,
        "derivation": prompt.derivation,
        "mutation_note": prompt.mutation_note,
        "variables": prompt.variables,
        "tags": prompt.tags,
        "licence": prompt.licence,
        "team": prompt.team.name,
        "created_at": prompt.created_at,
    }


def normalised(text: str) -> str:
    """A text as search compares it: NFKC, lower case."""
    return unicodedata.normalize("NFKC", text).casefold()
