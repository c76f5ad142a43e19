"""Placing: the texts of a bundle become prompts of here, parents first; those that are known are merged by digest."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from mintmark.accounts.models import Team
from mintmark.core import bundles, errors
from mintmark.core.bundles import Bundle, Opened
from mintmark.registry import prompts
from mintmark.registry.models import Prompt
from mintmark.registry.prompts import Draft
from mintmark.reputation import foreign

from . import inspection, vaults
from .models import BundleImport, ForeignPrompt, PromptMarketplaceVault

_NAMED = 5


class LineTaken(errors.Refusal):
    """Lines that a bundle tells belong to other teams here; it can be put under another namespace."""

    code = "line_taken"


def drafts(bundle: Bundle) -> list[Draft]:
    """The texts of a bundle as they would be registered, in its order, each under its own name and without parent."""
    made = []
    for told in bundle.prompts:
        line, _, revision = told.name.rpartition("@")
        namespace, _, name = line.partition("/")
        made.append(
            Draft(
                namespace=namespace,
                name=name,
                revision=int(revision),
                text=told.text,
                title=told.title,
                mutation_note=told.mutation_note,
                tags=told.tags,
                licence=told.licence,
                # What is no part of the text is no variable of it, whoever says so.
                variables=[variable for variable in told.variables if variable in told.text],
                # A person has seen each, at its place, before anything is registered.
                allow_hidden_unicode=True,
            )
        )
    return made


def place(
    *, opened: Opened, row: BundleImport, runs: int, namespace: str | None, now: datetime
) -> PromptMarketplaceVault:
    """Register what is new, keep where each text came from and its reputation there as a prior of at most `runs` runs;
    the vault. In the caller's transaction; who may is for the caller to have checked.

    Raises `LineTaken`, `prompts.InvalidPrompt`.
    """
    bundle = opened.bundle
    placed, new = _registered(bundle, row=row, namespace=namespace)
    vault = vaults.keep_imported(
        opened=opened,
        team=row.team,
        made_by=row.brought_by,
        prompts=list({prompt.pk: prompt for prompt in placed.values()}.values()),
        now=now,
    )
    issuer = bundle.issuer
    rows: dict[int, ForeignPrompt] = {}
    for told in bundle.prompts:
        prompt = placed[told.name]
        rows.setdefault(
            prompt.pk,
            ForeignPrompt(
                prompt=prompt,
                vault=vault,
                issuer=issuer.installation,
                issuer_name=issuer.name,
                name=told.name,
                author=told.author,
                reputation=told.reputation.model_dump(mode="json"),
                registered=told.name in new,
            ),
        )
    ForeignPrompt.objects.bulk_create(rows.values(), batch_size=500, ignore_conflicts=True)
    foreign.keep(
        told=[(placed[told.name], told.reputation) for told in bundle.prompts if told.name in new],
        runs=runs,
        issuer=issuer.name,
        now=now,
    )
    return vault


def _registered(
    bundle: Bundle, *, row: BundleImport, namespace: str | None
) -> tuple[dict[str, Prompt], set[str]]:
    """The prompt of here for each told name, and the names of those that were registered for it."""
    team = row.team
    nodes = inspection.nodes(bundle)
    known = inspection.known(digests=[node.digest for node in nodes.values()], team=team)
    own = dict(zip([told.name for told in bundle.prompts], drafts(bundle), strict=True))
    own = _lines(own, known=known, bundle=bundle, namespace=namespace, team=team)
    placed: dict[str, Prompt] = {}
    new: set[str] = set()
    for generation in _generations(bundle.prompts):
        wanted: dict[str, bundles.Prompt] = {}
        for told in generation:
            if told.digest not in known:
                wanted.setdefault(told.digest, told)
        made = prompts.register_all(
            drafts=[
                replace(own[told.name], parent=_parent(told, nodes, placed, known))
                for told in wanted.values()
            ],
            author=row.brought_by,
            team=team,
        )
        known.update(zip(wanted, made, strict=True))
        new.update(told.name for told in wanted.values())
        placed.update((told.name, known[told.digest]) for told in generation)
    return placed, new


def _parent(
    told: bundles.Prompt,
    nodes: Mapping[str, bundles.Prompt | bundles.Ancestor],
    placed: Mapping[str, Prompt],
    known: Mapping[str, Prompt],
) -> Prompt | None:
    """What a text descends from, if it came with it or the team may use it here: no other record is lent to it."""
    if told.parent is None:
        return None
    return placed.get(told.parent) or known.get(nodes[told.parent].digest)


def _generations(told: Sequence[bundles.Prompt]) -> list[list[bundles.Prompt]]:
    """Prompts by how many of the others they descend from, one after another: parents come first."""
    parents = {prompt.name: prompt.parent for prompt in told}
    depth: dict[str | None, int] = {}
    for name in parents:
        path = []
        at: str | None = name
        while at in parents and at not in depth:
            path.append(at)
            at = parents[at]
        depth |= {one: n for n, one in enumerate(reversed(path), start=depth.get(at, -1) + 1)}
    levels: list[list[bundles.Prompt]] = [[] for _ in range(max(depth.values()) + 1)]
    for prompt in told:
        levels[depth[prompt.name]].append(prompt)
    return levels


def _lines(
    own: dict[str, Draft],
    *,
    known: dict[str, Prompt],
    bundle: Bundle,
    namespace: str | None,
    team: Team,
) -> dict[str, Draft]:
    """The drafts under lines that are free or the team's own, each at the revision told or the next that is free."""
    digests = {told.name: told.digest for told in bundle.prompts}
    moved = {name: draft for name, draft in own.items() if digests[name] not in known}
    if namespace:
        homes = Counter(name for _, name in {(d.namespace, d.name) for d in moved.values()})
        moved = {
            told: replace(
                draft,
                namespace=namespace,
                # Two lines of one name, of two namespaces, stay two.
                name=f"{draft.namespace}/{draft.name}" if homes[draft.name] > 1 else draft.name,
            )
            for told, draft in moved.items()
        }
    lines = {(draft.namespace, draft.name) for draft in moved.values()}
    there: dict[tuple[str, str], set[int]] = {}
    taken: set[str] = set()
    rows = Prompt.objects.filter(
        namespace__in={line_namespace for line_namespace, _ in lines},
        name__in={name for _, name in lines},
    )
    for line_namespace, name, revision, owner in rows.values_list(
        "namespace", "name", "revision", "team_id"
    ):
        there.setdefault((line_namespace, name), set()).add(revision)
        if owner != team.pk and (line_namespace, name) in lines:
            taken.add(f"{line_namespace}/{name}")
    if taken:
        some = ", ".join(sorted(taken)[:_NAMED])
        more = f" and {len(taken) - _NAMED} more" if len(taken) > _NAMED else ""
        raise LineTaken(
            f"{some}{more}: lines of other teams here. Name a namespace to put this bundle's lines under."
        )
    free: dict[str, Draft] = {}
    for told, draft in moved.items():
        used = there.setdefault((draft.namespace, draft.name), set())
        revision = draft.revision or 1
        if revision in used:
            revision = max(used) + 1
        used.add(revision)
        free[told] = replace(draft, revision=revision)
    return own | free
