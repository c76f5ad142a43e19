"""The lineage as trade sees it: under which licence a text stands, and what its forks may become."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import batched

from mintmark.accounts.models import Principal
from mintmark.common import errors, licences
from mintmark.common.licences import LicencePermissions
from mintmark.registry.models import Prompt
from mintmark.vault.models import PromptProvenance

from .models import ForeignRoyalty, PromptTokenListing, Purchase, RoyaltyTerm

_MAX_GENERATIONS = 1_000
_BATCH_SIZE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RoyaltyDue:
    """What one generation is owed of a sale: `rate_bp` hundredths of a percent of what nearer ones leave. `reference`
    is of the ancestor that it is for; `ancestor` is None where that is one of another installation."""

    holder: Principal
    ancestor: Prompt | None
    reference: str
    rate_bp: int

    @property
    def holder_id(self) -> int:
        return self.holder.pk


class LicenceForbids(errors.DomainError):
    """The licence of a text, or of one that it descends from, does not allow this."""

    code = "licence_forbids"


def get_licence(*, prompt: Prompt, team_id: int | None = None) -> str:
    """The SPDX identifier under which a prompt stands: its own, else that of the listing by which the team bought it,
    else that of its newest listing; where none says anything, all rights are reserved."""
    return get_licences(prompts=[prompt], team_id=team_id)[prompt.pk]


def get_licences(*, prompts: Sequence[Prompt], team_id: int | None = None) -> dict[int, str]:
    """The same of many, by prompt id."""
    unlicensed = [prompt for prompt in prompts if not prompt.licence]
    listings = find_applicable_listings(prompts=unlicensed, team_id=team_id)
    licence_by_id = {prompt.pk: prompt.licence or licences.PROPRIETARY for prompt in prompts}
    return licence_by_id | {pk: listing.licence for pk, listing in listings.items()}


def find_applicable_listing(*, prompt: Prompt, team_id: int | None) -> PromptTokenListing | None:
    """The listing whose terms hold for a team: the one by which it bought, else the newest."""
    return find_applicable_listings(prompts=[prompt], team_id=team_id).get(prompt.pk)


def find_applicable_listings(
    *, prompts: Sequence[Prompt], team_id: int | None
) -> dict[int, PromptTokenListing]:
    """The same of many, by prompt id; those that were never listed are left out."""
    listing_by_prompt: dict[int, PromptTokenListing] = {}
    for batch in batched([prompt.pk for prompt in prompts], _BATCH_SIZE):
        # The newest come last, and stay.
        listings = PromptTokenListing.objects.filter(prompt__in=batch).select_related("seller")
        listing_by_prompt.update(
            (listing.prompt_id, listing) for listing in listings.order_by("id")
        )
        if team_id is not None:
            team_purchases = Purchase.objects.filter(
                prompt__in=batch, team=team_id, entitlement__ended_at__isnull=True
            )
            with_listing = team_purchases.select_related("listing__seller").order_by("id")
            listing_by_prompt.update(
                (purchase.prompt_id, purchase.listing) for purchase in with_listing
            )
    return listing_by_prompt


def get_licence_permissions(*, prompt: Prompt, team_id: int | None = None) -> LicencePermissions:
    """What the licence of a prompt allows; an identifier that is not known here allows no fork."""
    return licences.get_permissions_or_default(get_licence(prompt=prompt, team_id=team_id))


def require_sale_allowed(*, prompt: Prompt) -> None:
    """Refuse to sell a text that others wrote, or that descends from one, whose licence does not allow it."""
    if is_imported(prompt=prompt) and not get_licence_permissions(prompt=prompt).allows_sale:
        raise LicenceForbids(
            f"{prompt.reference} came in a bundle under {get_licence(prompt=prompt)}, which allows no sale."
        )
    for ancestor in list_third_party_ancestors(prompt=prompt):
        if not get_licence_permissions(
            prompt=ancestor, team_id=prompt.team_id
        ).allows_sale_of_forks:
            licence = get_licence(prompt=ancestor, team_id=prompt.team_id)
            raise LicenceForbids(
                f"It descends from {ancestor.reference}, whose licence ({licence}) does not allow forks to be sold."
            )


def list_third_party_ancestors(*, prompt: Prompt) -> list[Prompt]:
    """The ancestors that others wrote, nearest first."""
    ancestor_ids = list(_walk_ancestry(prompt.pk, _load_parents([prompt])))[1:]
    prompts_by_id = Prompt.objects.defer("text", "wording").in_bulk(ancestor_ids)
    imported_ids = _find_imported_ids(ancestor_ids)
    return [
        prompts_by_id[pk]
        for pk in ancestor_ids
        if pk in imported_ids or prompts_by_id[pk].team_id != prompt.team_id
    ]


def is_third_party(*, prompt: Prompt, team_id: int | None) -> bool:
    """Whether a text is held under its licence only: another team's, or one that a bundle brought to this team."""
    return prompt.team_id != team_id or is_imported(prompt=prompt)


def is_imported(*, prompt: Prompt) -> bool:
    """Whether a bundle brought it here."""
    return bool(_find_imported_ids([prompt.pk]))


def _find_imported_ids(ids: Sequence[int]) -> set[int]:
    provenance = PromptProvenance.objects.filter(prompt__in=ids, registered=True)
    return set(provenance.values_list("prompt", flat=True))


def list_royalties(*, prompt: Prompt) -> list[RoyaltyDue]:
    """What a sale of this prompt owes, nearest generation first; of one generation, other installations last."""
    return list_royalties_by_prompt(prompts=[prompt])[prompt.pk]


def list_royalties_by_prompt(*, prompts: Sequence[Prompt]) -> dict[int, list[RoyaltyDue]]:
    """The same of many, by prompt id."""
    parents = _load_parents(prompts)
    royalties_by_holder_prompt: dict[int, list[RoyaltyDue]] = {pk: [] for pk in parents}
    for batch in batched(parents, _BATCH_SIZE):
        royalty_terms = RoyaltyTerm.objects.select_related("holder", "ancestor").filter(
            prompt__in=batch
        )
        for term in royalty_terms:
            royalties_by_holder_prompt[term.prompt_id].append(
                RoyaltyDue(
                    holder=term.holder,
                    ancestor=term.ancestor,
                    reference=term.ancestor.reference,
                    rate_bp=term.rate_bp,
                )
            )
        foreign_royalties = ForeignRoyalty.objects.select_related("holder").filter(prompt__in=batch)
        for foreign_royalty in foreign_royalties.order_by("generation"):
            royalties_by_holder_prompt[foreign_royalty.prompt_id].append(
                RoyaltyDue(
                    holder=foreign_royalty.holder,
                    ancestor=None,
                    reference=foreign_royalty.ancestor,
                    rate_bp=foreign_royalty.rate_bp,
                )
            )
    return {
        prompt.pk: [
            royalty
            for pk in _walk_ancestry(prompt.pk, parents)
            for royalty in royalties_by_holder_prompt[pk]
        ]
        for prompt in prompts
    }


def count_ancestors(*, prompts: Sequence[Prompt]) -> dict[int, int]:
    """How many generations each prompt descends from, by prompt id."""
    parents = _load_parents(prompts)
    return {prompt.pk: sum(1 for _ in _walk_ancestry(prompt.pk, parents)) - 1 for prompt in prompts}


def _load_parents(prompts: Sequence[Prompt]) -> dict[int, int | None]:
    """The parent of each prompt and of all that it descends from, by id."""
    parent_by_id = {prompt.pk: prompt.parent_id for prompt in prompts}
    for _ in range(_MAX_GENERATIONS):
        missing = {
            parent for parent in parent_by_id.values() if parent is not None
        } - parent_by_id.keys()
        if not missing:
            break
        for batch in batched(sorted(missing), _BATCH_SIZE):
            parent_by_id.update(Prompt.objects.filter(pk__in=batch).values_list("pk", "parent"))
    return parent_by_id


def _walk_ancestry(prompt: int, parents: Mapping[int, int | None]) -> Iterator[int]:
    """A prompt and what it descends from, nearest first."""
    current: int | None = prompt
    for _ in range(_MAX_GENERATIONS):
        if current is None or current not in parents:
            return
        yield current
        current = parents[current]
