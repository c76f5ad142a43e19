"""The lineage as trade sees it: under which licence a text stands, and what its forks may become."""

from collections.abc import Iterator

from mintmark.core import errors, licences
from mintmark.core.licences import Terms
from mintmark.registry.models import Prompt

from .models import PromptTokenListing, Purchase, RoyaltyTerm

_DEEPEST = 1_000


class LicenceForbids(errors.Refusal):
    """The licence of a text, or of one that it descends from, does not allow this."""

    code = "licence_forbids"


def licence_of(*, prompt: Prompt, team_id: int | None = None) -> str:
    """The SPDX identifier under which a prompt stands: its own, else that of the listing by which the team bought it,
    else that of its newest listing; where none says anything, all rights are reserved."""
    if prompt.licence:
        return prompt.licence
    listing = listing_for(prompt=prompt, team_id=team_id)
    return listing.licence if listing is not None else licences.PROPRIETARY


def listing_for(*, prompt: Prompt, team_id: int | None) -> PromptTokenListing | None:
    """The listing whose terms hold for a team: the one by which it bought, else the newest."""
    if team_id is not None:
        bought = (
            Purchase.objects.filter(prompt=prompt, team=team_id, entitlement__ended_at__isnull=True)
            .select_related("listing")
            .order_by("-id")
            .first()
        )
        if bought is not None:
            return bought.listing
    return PromptTokenListing.objects.filter(prompt=prompt).order_by("-id").first()


def terms_of(*, prompt: Prompt, team_id: int | None = None) -> Terms:
    """What the licence of a prompt allows; an identifier that is not known here allows no fork."""
    licence = licence_of(prompt=prompt, team_id=team_id)
    return licences.KNOWN.get(licence, licences.KNOWN[licences.PROPRIETARY])


def require_sale_allowed(*, prompt: Prompt) -> None:
    """Refuse to sell a text that descends from another team's whose licence does not allow it."""
    for ancestor in foreign_ancestors(prompt=prompt):
        if not terms_of(prompt=ancestor, team_id=prompt.team_id).allows_sale_of_forks:
            licence = licence_of(prompt=ancestor, team_id=prompt.team_id)
            raise LicenceForbids(
                f"It descends from {ancestor.reference}, whose licence ({licence}) does not allow forks to be sold."
            )


def foreign_ancestors(*, prompt: Prompt) -> Iterator[Prompt]:
    """The ancestors that belong to other teams, nearest first."""
    at = prompt.parent
    for _ in range(_DEEPEST):
        if at is None:
            return
        if at.team_id != prompt.team_id:
            yield at
        at = at.parent


def royalties_of(*, prompt: Prompt) -> list[RoyaltyTerm]:
    """What a sale of this prompt owes, nearest generation first."""
    owed = []
    at: Prompt | None = prompt
    for _ in range(_DEEPEST):
        if at is None:
            break
        term = RoyaltyTerm.objects.select_related("holder", "ancestor").filter(prompt=at).first()
        if term is not None:
            owed.append(term)
        at = at.parent
    return owed
