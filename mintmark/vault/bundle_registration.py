"""Placing: the texts of a bundle become prompts of here, parents first; those that are known are merged by digest."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from mintmark.accounts.models import Team
from mintmark.common import errors
from mintmark.projection import imported_reputation
from mintmark.registry import prompts
from mintmark.registry.models import Prompt
from mintmark.registry.prompts import PromptDraft
from mintmark.signing import bundles
from mintmark.signing.bundles import Bundle, VerifiedBundle

from . import bundle_store, inspection
from .models import BundleImport, PromptMarketplaceVault, PromptProvenance

_MAX_NAMED = 5


class PromptLineTaken(errors.DomainError):
    """Lines that a bundle tells belong to other teams here; it can be put under another namespace."""

    code = "prompt_line_taken"


def build_drafts(bundle: Bundle) -> list[PromptDraft]:
    """The texts of a bundle as they would be registered, in its order, each under its own name and without parent."""
    drafts_in_order = []
    for bundled in bundle.prompts:
        prompt_name, _, revision = bundled.name.rpartition("@")
        namespace, _, name = prompt_name.partition("/")
        drafts_in_order.append(
            PromptDraft(
                namespace=namespace,
                name=name,
                revision=int(revision),
                text=bundled.text,
                title=bundled.title,
                mutation_note=bundled.mutation_note,
                tags=bundled.tags,
                licence=bundled.licence,
                # What is no part of the text is no variable of it, whoever says so.
                variables=[variable for variable in bundled.variables if variable in bundled.text],
                # A person has seen each, at its place, before anything is registered.
                allow_hidden_unicode=True,
            )
        )
    return drafts_in_order


def register_bundle(
    *, verified: VerifiedBundle, row: BundleImport, runs: int, namespace: str | None, now: datetime
) -> PromptMarketplaceVault:
    """Register what is new, keep where each text came from and its reputation there as a prior of at most `runs` runs;
    the vault. In the caller's transaction; who may is for the caller to have checked.

    Raises `LineTaken`, `prompts.InvalidPrompt`.
    """
    bundle = verified.bundle
    prompt_by_name, new_names = _register_prompts(bundle, row=row, namespace=namespace)
    vault = bundle_store.store_imported(
        verified=verified,
        team=row.team,
        made_by=row.brought_by,
        prompts=list({prompt.pk: prompt for prompt in prompt_by_name.values()}.values()),
        now=now,
    )
    issuer = bundle.issuer
    provenance_by_prompt: dict[int, PromptProvenance] = {}
    for bundled in bundle.prompts:
        prompt = prompt_by_name[bundled.name]
        provenance_by_prompt.setdefault(
            prompt.pk,
            PromptProvenance(
                prompt=prompt,
                vault=vault,
                issuer=issuer.installation,
                issuer_name=issuer.name,
                name=bundled.name,
                author=bundled.author,
                reputation=bundled.reputation.model_dump(mode="json"),
                registered=bundled.name in new_names,
            ),
        )
    PromptProvenance.objects.bulk_create(
        provenance_by_prompt.values(), batch_size=500, ignore_conflicts=True
    )
    imported_reputation.store(
        summaries=[
            (prompt_by_name[bundled.name], bundled.reputation)
            for bundled in bundle.prompts
            if bundled.name in new_names
        ],
        runs=runs,
        issuer=issuer.name,
        now=now,
    )
    return vault


def _register_prompts(
    bundle: Bundle, *, row: BundleImport, namespace: str | None
) -> tuple[dict[str, Prompt], set[str]]:
    """The prompt of here for each name in the bundle, and the names of those that were registered for it."""
    team = row.team
    node_by_name = inspection.index_nodes_by_name(bundle)
    prompt_by_digest = inspection.match_existing(
        digests=[node.digest for node in node_by_name.values()], team=team
    )
    draft_by_name = dict(
        zip([bundled.name for bundled in bundle.prompts], build_drafts(bundle), strict=True)
    )
    draft_by_name = _assign_names(
        draft_by_name,
        prompt_by_digest=prompt_by_digest,
        bundle=bundle,
        namespace=namespace,
        team=team,
    )
    prompt_by_name: dict[str, Prompt] = {}
    new_names: set[str] = set()
    for generation in _group_by_generation(bundle.prompts):
        unregistered: dict[str, bundles.BundledPrompt] = {}
        for bundled in generation:
            if bundled.digest not in prompt_by_digest:
                unregistered.setdefault(bundled.digest, bundled)
        registered = prompts.register_all(
            drafts=[
                replace(
                    draft_by_name[bundled.name],
                    parent=_find_parent(bundled, node_by_name, prompt_by_name, prompt_by_digest),
                )
                for bundled in unregistered.values()
            ],
            author=row.brought_by,
            team=team,
        )
        prompt_by_digest.update(zip(unregistered, registered, strict=True))
        new_names.update(bundled.name for bundled in unregistered.values())
        prompt_by_name.update(
            (bundled.name, prompt_by_digest[bundled.digest]) for bundled in generation
        )
    return prompt_by_name, new_names


def _find_parent(
    bundled: bundles.BundledPrompt,
    node_by_name: Mapping[str, bundles.BundledPrompt | bundles.BundleAncestor],
    prompt_by_name: Mapping[str, Prompt],
    prompt_by_digest: Mapping[str, Prompt],
) -> Prompt | None:
    """What a text descends from, if it came with it or the team may use it here: no other record is lent to it."""
    if bundled.parent is None:
        return None
    return prompt_by_name.get(bundled.parent) or prompt_by_digest.get(
        node_by_name[bundled.parent].digest
    )


def _group_by_generation(
    bundled_prompts: Sequence[bundles.BundledPrompt],
) -> list[list[bundles.BundledPrompt]]:
    """Prompts by how many of the others they descend from, one after another: parents come first."""
    parents = {prompt.name: prompt.parent for prompt in bundled_prompts}
    depth: dict[str | None, int] = {}
    for name in parents:
        path = []
        current: str | None = name
        while current in parents and current not in depth:
            path.append(current)
            current = parents[current]
        depth |= {
            ancestor_name: n
            for n, ancestor_name in enumerate(reversed(path), start=depth.get(current, -1) + 1)
        }
    levels: list[list[bundles.BundledPrompt]] = [[] for _ in range(max(depth.values()) + 1)]
    for prompt in bundled_prompts:
        levels[depth[prompt.name]].append(prompt)
    return levels


def _assign_names(
    draft_by_name: dict[str, PromptDraft],
    *,
    prompt_by_digest: dict[str, Prompt],
    bundle: Bundle,
    namespace: str | None,
    team: Team,
) -> dict[str, PromptDraft]:
    """The drafts under lines that are free or the team's own, each at the bundle's revision or the next free one."""
    digests = {bundled_name.name: bundled_name.digest for bundled_name in bundle.prompts}
    new_drafts = {
        name: draft
        for name, draft in draft_by_name.items()
        if digests[name] not in prompt_by_digest
    }
    if namespace:
        name_counts = Counter(
            name for _, name in {(d.namespace, d.name) for d in new_drafts.values()}
        )
        new_drafts = {
            bundled_name: replace(
                draft,
                namespace=namespace,
                # Two lines of one name, of two namespaces, stay two.
                name=f"{draft.namespace}/{draft.name}"
                if name_counts[draft.name] > 1
                else draft.name,
            )
            for bundled_name, draft in new_drafts.items()
        }
    prompt_names = {(draft.namespace, draft.name) for draft in new_drafts.values()}
    revisions_by_name: dict[tuple[str, str], set[int]] = {}
    taken_names: set[str] = set()
    rows = Prompt.objects.filter(
        namespace__in={line_namespace for line_namespace, _ in prompt_names},
        name__in={name for _, name in prompt_names},
    )
    for line_namespace, name, revision, owner in rows.values_list(
        "namespace", "name", "revision", "team_id"
    ):
        revisions_by_name.setdefault((line_namespace, name), set()).add(revision)
        if owner != team.pk and (line_namespace, name) in prompt_names:
            taken_names.add(f"{line_namespace}/{name}")
    if taken_names:
        named = ", ".join(sorted(taken_names)[:_MAX_NAMED])
        suffix = (
            f" and {len(taken_names) - _MAX_NAMED} more" if len(taken_names) > _MAX_NAMED else ""
        )
        raise PromptLineTaken(
            f"{named}{suffix}: lines of other teams here. Name a namespace to put this bundle's lines under."
        )
    renamed: dict[str, PromptDraft] = {}
    for bundled_name, draft in new_drafts.items():
        used_revisions = revisions_by_name.setdefault((draft.namespace, draft.name), set())
        revision = draft.revision or 1
        if revision in used_revisions:
            revision = max(used_revisions) + 1
        used_revisions.add(revision)
        renamed[bundled_name] = replace(draft, revision=revision)
    return draft_by_name | renamed
