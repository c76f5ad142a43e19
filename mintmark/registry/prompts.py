"""Prompts: register exact texts, find them, decide who may read them."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Principal, Role, Team
from mintmark.common import errors
from mintmark.scoring import text_features
from mintmark.textchecks import hidden_characters, placeholders

from . import entitlements, near_copies
from .models import Assistant, Derivation, Prompt, PromptTag

MAX_TEXT_CHARACTERS = 500_000
_NAMESPACE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_NAME = re.compile(r"[\w][\w .:/()&,'+-]{0,199}")


class InvalidPrompt(errors.DomainError):
    """A prompt's text or metadata is invalid; nothing was registered."""

    code = "invalid_prompt"


class RevisionTaken(errors.DomainError):
    """This revision of the lineage is already registered, with another text."""

    code = "revision_taken"


@dataclass(frozen=True, kw_only=True)
class PromptDraft:
    """A prompt about to be registered. `parent` is a registered prompt; with `revision` None it becomes the lineage's
    next."""

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


def register(*, draft: PromptDraft, author: Principal, team: Team) -> Prompt:
    """Register one text for good; the same text under the same revision again returns the existing prompt.

    Raises `InvalidPrompt` (naming the field and the place) or `RevisionTaken`.
    """
    return register_all(drafts=[draft], author=author, team=team)[0]


def register_all(*, drafts: Sequence[PromptDraft], author: Principal, team: Team) -> list[Prompt]:
    """Register many texts, all of them or none; prompts in the order of `drafts`."""
    invalid_rows = find_problems(drafts=drafts)
    if invalid_rows:
        raise InvalidPrompt(
            f"{invalid_rows[0]['message']}"
            + (
                f" ({len(invalid_rows)} problems in {len(drafts)} prompts.)"
                if len(drafts) > 1
                else ""
            ),
            rows=invalid_rows,
        )
    with transaction.atomic():
        revisions_by_name = _load_revisions(drafts)
        rows = [
            _find_or_build(draft, revisions_by_name=revisions_by_name, author=author, team=team)
            for draft in drafts
        ]
        new = list({id(prompt): prompt for prompt in rows if prompt.pk is None}.values())
        try:
            with transaction.atomic():
                Prompt.objects.bulk_create(new, batch_size=500)
        except IntegrityError as error:  # another writer came between check and insert
            raise RevisionTaken(
                f"One of {new[0].reference}{' and those after it' if new[1:] else ''} was registered by another "
                "writer just now; read the line again and register the next revision."
            ) from error
        PromptTag.objects.bulk_create(
            [PromptTag(prompt=prompt, tag=tag) for prompt in new for tag in prompt.tags]
        )
        near_copies.record(new)
        return rows


def find_problems(*, drafts: Sequence[PromptDraft]) -> list[errors.FieldError]:
    """The problems of these drafts, whatever is registered already; empty if they are valid."""
    return [row for n, draft in enumerate(drafts) for row in _find_draft_problems(draft, row=n)]


type _RevisionsByName = dict[tuple[str, str], dict[int, Prompt]]


def _load_revisions(drafts: Sequence[PromptDraft]) -> _RevisionsByName:
    """The revisions of every lineage that the drafts name, in one query."""
    revisions_by_name: _RevisionsByName = {(draft.namespace, draft.name): {} for draft in drafts}
    revisions = Prompt.objects.select_related("team").filter(
        namespace__in={namespace for namespace, _ in revisions_by_name},
        name__in={name for _, name in revisions_by_name},
    )
    for prompt in revisions:
        if (prompt.namespace, prompt.name) in revisions_by_name:
            revisions_by_name[prompt.namespace, prompt.name][prompt.revision] = prompt
    return revisions_by_name


def _find_or_build(
    draft: PromptDraft, *, revisions_by_name: _RevisionsByName, author: Principal, team: Team
) -> Prompt:
    """The existing prompt, or a new one that is not yet inserted and is part of its lineage from now on."""
    revisions = revisions_by_name[draft.namespace, draft.name]
    digest = hashlib.sha256(draft.text.encode()).hexdigest()
    revision = draft.revision if draft.revision is not None else max(revisions, default=0) + 1
    existing = revisions.get(revision)
    if existing is not None:
        if existing.digest == digest and existing.team_id == team.pk:
            return existing
        raise RevisionTaken(
            f"{existing.reference} is registered with the text sha256:{existing.digest[:12]}…; a registered text "
            f"never changes, so register this one as revision {revision + 1} or higher."
        )
    if any(prompt.team_id != team.pk for prompt in revisions.values()):
        raise errors.Forbidden(
            f"The line {draft.namespace}/{draft.name} belongs to another team; fork it under a namespace of yours."
        )
    revisions[revision] = Prompt(
        namespace=draft.namespace,
        name=draft.name,
        revision=revision,
        title=draft.title,
        text=draft.text,
        digest=digest,
        preview=draft.preview if draft.preview is not None else "",
        is_open=draft.is_open,
        parent=draft.parent,
        derivation=_get_derivation(draft),
        mutation_note=draft.mutation_note,
        forked_by=draft.forked_by,
        author=author,
        team=team,
        variables=list(draft.variables)
        if draft.variables is not None
        else placeholders.list_names(draft.text),
        tags=list(dict.fromkeys(draft.tags)),
        licence=draft.licence,
        wording=text_features.extract_features(draft.text).tobytes(),
        wording_version=text_features.VERSION,
    )
    return revisions[revision]


def readable_by(*, caller: Caller) -> QuerySet[Prompt]:
    """The prompts whose text a caller may read: open ones, those of their teams, those their teams are entitled to."""
    if caller.is_admin:
        return Prompt.objects.all()
    return Prompt.objects.filter(entitlements.build_usable_q(team_ids=caller.team_ids))


def usable_by(*, caller: Caller, team_id: int) -> QuerySet[Prompt]:
    """The prompts that a team's assistants may use and a caller may read; withdrawn ones are excluded."""
    usable_prompts = readable_by(caller=caller).filter(
        entitlements.build_usable_q(team_ids={team_id})
    )
    return usable_prompts.filter(tombstone__isnull=True)


def may_read_text(*, caller: Caller, prompt: Prompt) -> bool:
    """Whether a caller may read this prompt's text."""
    return readable_by(caller=caller).filter(pk=prompt.pk).exists()


def require_author(*, caller: Caller, team: Team) -> None:
    """Raise `Forbidden` unless the caller may register prompts for `team`."""
    if not caller.has_role(Role.AUTHOR, team_id=team.pk):
        raise errors.Forbidden(f"Registering prompts for team {team} takes its role 'author'.")


def resolve(*, reference: str) -> Prompt:
    """The prompt with this reference: `lineage@revision`, `lineage@label`, `lineage` (its latest), `sha256:…` or an
    id."""
    prompt = _find_by_reference(reference.strip())
    if prompt is None:
        raise errors.NotFound(
            f"No prompt {reference[:200]!r}: name it as namespace/name@revision, namespace/name@label, "
            "sha256:… or by its id."
        )
    return prompt


def _find_by_reference(reference: str) -> Prompt | None:
    if reference.isascii() and reference.isdigit() and len(reference) < 19:
        return Prompt.objects.filter(pk=int(reference)).first()
    if reference.startswith("sha256:"):
        return Prompt.objects.filter(digest=reference[7:]).order_by("id").first()
    qualified_name, _, revision_or_label = (
        reference.rpartition("@") if "@" in reference else (reference, "", "")
    )
    namespace, _, name = qualified_name.partition("/")
    revisions = Prompt.objects.filter(namespace=namespace, name=name)
    if "@" not in reference:
        return revisions.order_by("-revision").first()
    if revision_or_label.isascii() and revision_or_label.isdigit() and len(revision_or_label) < 10:
        return revisions.filter(revision=int(revision_or_label)).first()
    return revisions.filter(
        labels__label=revision_or_label, labels__namespace=namespace, labels__name=name
    ).first()


def list_family(*, prompt: Prompt, limit: int = 400) -> list[Prompt]:
    """The family of a prompt: its ancestors up to the root, then all that descends from that root, nearest first."""
    root = prompt
    visited_ids = {prompt.pk}
    ancestors: list[Prompt] = []
    while root.parent is not None and root.parent_id not in visited_ids:
        root = root.parent
        visited_ids.add(root.pk)
        ancestors.append(root)
    family = [prompt, *ancestors]
    frontier: list[int] = [prompt.pk]
    pending = [[a.pk for a in ancestors]]
    while len(family) < limit and (frontier or pending):
        children = list(
            Prompt.objects.filter(parent__in=frontier)
            .exclude(pk__in=visited_ids)
            .order_by("id")[: limit - len(family)]
        )
        family += children
        visited_ids |= {child.pk for child in children}
        frontier = [child.pk for child in children] or (pending.pop(0) if pending else [])
    return family


def _get_derivation(draft: PromptDraft) -> str:
    if draft.parent is None:
        return Derivation.ROOT
    same_line = (draft.parent.namespace, draft.parent.name) == (draft.namespace, draft.name)
    return Derivation.REVISION if same_line else Derivation.FORK


def _find_draft_problems(draft: PromptDraft, *, row: int) -> list[errors.FieldError]:
    rows: list[errors.FieldError] = []

    def add_problem(name: str, value: object, message: str) -> None:
        rows.append(errors.FieldError(row=row, field=name, value=value, message=message))

    if not _NAMESPACE.fullmatch(draft.namespace):
        add_problem(
            "namespace", draft.namespace, "A namespace is 1 to 64 of a-z, 0-9, '-' and '_'."
        )
    if not _NAME.fullmatch(draft.name) or draft.name != draft.name.strip():
        add_problem(
            "name",
            draft.name,
            "A name is 1 to 200 letters, digits, spaces or . : / ( ) & , ' + - _",
        )
    elif any(segment in (".", "..") for segment in draft.name.split("/")):
        add_problem(
            "name",
            draft.name,
            "A name has no segment '.' or '..' between slashes: as a file it would leave its folder.",
        )
    if draft.revision is not None and not 1 <= draft.revision <= 2**31 - 1:
        add_problem("revision", draft.revision, "A revision is a whole number from 1.")
    if not draft.text.strip():
        add_problem("text", "", "The text is empty; a prompt needs at least one visible character.")
    if len(draft.text) > MAX_TEXT_CHARACTERS:
        add_problem(
            "text",
            f"{len(draft.text)} characters",
            f"The text has {len(draft.text):,} characters; at most {MAX_TEXT_CHARACTERS:,} are allowed.",
        )
    elif not draft.allow_hidden_unicode:
        for hidden_character in hidden_characters.find_hidden(draft.text)[:1]:
            add_problem(
                "text",
                hidden_character.name,
                f"The text hides {hidden_character.name} (U+{hidden_character.code_point:04X}) at line "
                f"{hidden_character.line}, column {hidden_character.column}: remove it, or a reader sees another "
                "prompt than the model does.",
            )
    for tag in draft.tags:
        if not isinstance(tag, str) or not 1 <= len(tag) <= 100 or not tag.isprintable():
            add_problem("tags", tag, "A tag is 1 to 100 printable characters.")
    return rows
