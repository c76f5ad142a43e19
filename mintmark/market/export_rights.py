"""Disclosure: by which right a team tells a prompt elsewhere, and on which terms."""

from collections.abc import Mapping, Sequence
from itertools import batched

from mintmark.accounts.models import Team
from mintmark.common import errors, licences
from mintmark.registry import entitlements
from mintmark.registry.models import Prompt
from mintmark.signing import bundles
from mintmark.vault.bundle_builder import ExportRight, ExportTerms, InvalidExport
from mintmark.vault.models import PromptProvenance

from . import lineage
from .lineage import LicenceForbids

_BATCH_SIZE = 1_000


def resolve_export_rights(*, prompts: Sequence[Prompt], team: Team) -> dict[int, ExportRight]:
    """By which right each prompt is exported, by id: as one's own, or passed on. Refused, with a row for each, where
    there is none: `Forbidden`, `LicenceForbids`, `InvalidExport` (withdrawn), whichever is first."""
    usable, withdrawn, imported = _classify_prompts([prompt.pk for prompt in prompts], team=team)
    licence = lineage.get_licences(prompts=prompts, team_id=team.pk)
    rights_by_id: dict[int, ExportRight] = {}
    problems: list[tuple[type[errors.DomainError], errors.FieldError]] = []
    error_class: type[errors.DomainError]
    for n, prompt in enumerate(prompts):
        is_own = prompt.team_id == team.pk and prompt.pk not in imported
        if prompt.pk in withdrawn:
            error_class, message = InvalidExport, f"{prompt.reference} was withdrawn for good."
        elif prompt.pk not in usable:
            error_class, message = (
                errors.Forbidden,
                f"{prompt.reference} is not the team's to use: buy it.",
            )
        elif (
            not is_own
            and not licences.get_permissions_or_default(licence[prompt.pk]).allows_redistribution
        ):
            error_class = LicenceForbids
            message = f"The licence of {prompt.reference} ({licence[prompt.pk]}) does not let the team pass it on."
        else:
            rights_by_id[prompt.pk] = "author" if is_own else "passed_on"
            continue
        row = errors.FieldError(row=n, field="prompts", value=prompt.reference, message=message)
        problems.append((error_class, row))
    if problems:
        error_class, first = problems[0]
        suffix = f" ({len(problems)} of {len(prompts)} prompts can't be exported.)"
        raise error_class(
            first["message"] + (suffix if len(prompts) > 1 else ""),
            rows=[row for _, row in problems],
        )
    return rights_by_id


def resolve_buyer_rights(*, prompts: Sequence[Prompt], team: Team) -> dict[int, ExportRight]:
    """By which right what a team bought is exported to it: to pass on where the licence lets it, else as bought."""
    licence = lineage.get_licences(prompts=prompts, team_id=team.pk)
    return {
        prompt.pk: "passed_on"
        if licences.get_permissions_or_default(licence[prompt.pk]).allows_redistribution
        else "bought"
        for prompt in prompts
    }


def build_export_terms(
    *, prompts: Sequence[Prompt], team: Team, rights: Mapping[int, ExportRight]
) -> dict[int, ExportTerms]:
    """The licence and royalties of each prompt as a bundle tells them, by id. Of what is not the team's own, sales
    elsewhere owe its seller what forks here would."""
    licence = lineage.get_licences(prompts=prompts, team_id=team.pk)
    royalties = lineage.list_royalties_by_prompt(prompts=prompts)
    third_party = [prompt for prompt in prompts if prompt.team_id != team.pk]
    listings = lineage.find_applicable_listings(prompts=third_party, team_id=team.pk)
    terms_by_id = {}
    for prompt in prompts:
        royalty_fields = [
            (royalty.reference, royalty.holder.name, royalty.rate_bp)
            for royalty in royalties[prompt.pk]
        ]
        listing = listings.get(prompt.pk)
        if listing is not None and listing.royalty_bp:
            royalty_fields.insert(0, (prompt.reference, listing.seller.name, listing.royalty_bp))
        terms_by_id[prompt.pk] = ExportTerms(
            licence=licence[prompt.pk],
            rights=rights[prompt.pk],
            royalties=tuple(
                bundles.BundleRoyalty(ancestor=ancestor, holder=holder, rate_bp=rate_bp)
                for ancestor, holder, rate_bp in royalty_fields
            ),
        )
    return terms_by_id


def _classify_prompts(ids: Sequence[int], *, team: Team) -> tuple[set[int], set[int], set[int]]:
    """Of these prompts: those served to the team, those withdrawn for good, those that came from elsewhere."""
    usable: set[int] = set()
    withdrawn: set[int] = set()
    imported: set[int] = set()
    for batch in batched(ids, _BATCH_SIZE):
        rows = Prompt.objects.filter(pk__in=batch)
        readable = rows.filter(entitlements.build_usable_q(team_ids={team.pk}))
        usable.update(readable.values_list("pk", flat=True))
        withdrawn.update(rows.filter(tombstone__isnull=False).values_list("pk", flat=True))
        provenance = PromptProvenance.objects.filter(prompt__in=batch, registered=True)
        imported.update(provenance.values_list("prompt", flat=True))
    return usable, withdrawn, imported
