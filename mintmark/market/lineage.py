"""The lineage as trade sees it: under which licence a text stands, and what its forks may become."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import batched

from mintmark.accounts.models import Principal
from mintmark.core import errors, licences
from mintmark.core.licences import Terms
from mintmark.registry.models import Prompt
from mintmark.vault.models import ForeignPrompt

from .models import ForeignRoyalty, PromptTokenListing, Purchase, RoyaltyTerm

_DEEPEST = 1_000
_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """What one generation is owed of a sale: `rate_bp` hundredths of a percent of what nearer ones leave. `reference`
    is of the ancestor that it is for; `ancestor` is None where that is one of another installation."""

    holder: Principal
    ancestor: Prompt | None
    reference: str
    rate_bp: int

    @property
    def holder_id(self) -> int:
        return self.holder.pk


class LicenceForbids(errors.Refusal):
    """The licence of a text, or of one that it descends from, does not allow this."""

    code = "licence_forbids"


def licence_of(*, prompt: Prompt, team_id: int | None = None) -> str:
    """The SPDX identifier under which a prompt stands: its own, else that of the listing by which the team bought it,
    else that of its newest listing; where none says anything, all rights are reserved."""
    return licences_of(prompts=[prompt], team_id=team_id)[prompt.pk]


def licences_of(*, prompts: Sequence[Prompt], team_id: int | None = None) -> dict[int, str]:
    """The same of many, by prompt id."""
    unsaid = [prompt for prompt in prompts if not prompt.licence]
    listed = listings_for(prompts=unsaid, team_id=team_id)
    found = {prompt.pk: prompt.licence or licences.PROPRIETARY for prompt in prompts}
    return found | {pk: listing.licence for pk, listing in listed.items()}


def listing_for(*, prompt: Prompt, team_id: int | None) -> PromptTokenListing | None:
    """The listing whose terms hold for a team: the one by which it bought, else the newest."""
    return listings_for(prompts=[prompt], team_id=team_id).get(prompt.pk)


def listings_for(
    *, prompts: Sequence[Prompt], team_id: int | None
) -> dict[int, PromptTokenListing]:
    """The same of many, by prompt id; those that were never listed are left out."""
    found: dict[int, PromptTokenListing] = {}
    for part in batched([prompt.pk for prompt in prompts], _AT_ONCE):
        # The newest come last, and stay.
        listed = PromptTokenListing.objects.filter(prompt__in=part).select_related("seller")
        found.update((one.prompt_id, one) for one in listed.order_by("id"))
        if team_id is not None:
            bought = Purchase.objects.filter(
                prompt__in=part, team=team_id, entitlement__ended_at__isnull=True
            )
            by = bought.select_related("listing__seller").order_by("id")
            found.update((one.prompt_id, one.listing) for one in by)
    return found


def terms_of(*, prompt: Prompt, team_id: int | None = None) -> Terms:
    """What the licence of a prompt allows; an identifier that is not known here allows no fork."""
    return licences.allowed(licence_of(prompt=prompt, team_id=team_id))


def require_sale_allowed(*, prompt: Prompt) -> None:
    """Refuse to sell a text that others wrote, or that descends from one, whose licence does not allow it."""
    if came_from_elsewhere(prompt=prompt) and not terms_of(prompt=prompt).allows_sale:
        raise LicenceForbids(
            f"{prompt.reference} came in a bundle under {licence_of(prompt=prompt)}, which allows no sale."
        )
    for ancestor in foreign_ancestors(prompt=prompt):
        if not terms_of(prompt=ancestor, team_id=prompt.team_id).allows_sale_of_forks:
            licence = licence_of(prompt=ancestor, team_id=prompt.team_id)
            raise LicenceForbids(
                f"It descends from {ancestor.reference}, whose licence ({licence}) does not allow forks to be sold."
            )


def foreign_ancestors(*, prompt: Prompt) -> list[Prompt]:
    """The ancestors that others wrote, nearest first."""
    above = list(_line(prompt.pk, _parents([prompt])))[1:]
    found = Prompt.objects.defer("text", "wording").in_bulk(above)
    came = _from_elsewhere(above)
    return [found[pk] for pk in above if pk in came or found[pk].team_id != prompt.team_id]


def is_of_others(*, prompt: Prompt, team_id: int | None) -> bool:
    """Whether a text is held under its licence only: another team's, or one that a bundle brought to this team."""
    return prompt.team_id != team_id or came_from_elsewhere(prompt=prompt)


def came_from_elsewhere(*, prompt: Prompt) -> bool:
    """Whether a bundle brought it here."""
    return bool(_from_elsewhere([prompt.pk]))


def _from_elsewhere(ids: Sequence[int]) -> set[int]:
    came = ForeignPrompt.objects.filter(prompt__in=ids, registered=True)
    return set(came.values_list("prompt", flat=True))


def royalties_of(*, prompt: Prompt) -> list[Owed]:
    """What a sale of this prompt owes, nearest generation first; of one generation, other installations last."""
    return royalties(prompts=[prompt])[prompt.pk]


def royalties(*, prompts: Sequence[Prompt]) -> dict[int, list[Owed]]:
    """The same of many, by prompt id."""
    parents = _parents(prompts)
    found: dict[int, list[Owed]] = {pk: [] for pk in parents}
    for part in batched(parents, _AT_ONCE):
        terms = RoyaltyTerm.objects.select_related("holder", "ancestor").filter(prompt__in=part)
        for term in terms:
            found[term.prompt_id].append(
                Owed(
                    holder=term.holder,
                    ancestor=term.ancestor,
                    reference=term.ancestor.reference,
                    rate_bp=term.rate_bp,
                )
            )
        abroad = ForeignRoyalty.objects.select_related("holder").filter(prompt__in=part)
        for one in abroad.order_by("generation"):
            found[one.prompt_id].append(
                Owed(holder=one.holder, ancestor=None, reference=one.ancestor, rate_bp=one.rate_bp)
            )
    return {
        prompt.pk: [owed for pk in _line(prompt.pk, parents) for owed in found[pk]]
        for prompt in prompts
    }


def generations_above(*, prompts: Sequence[Prompt]) -> dict[int, int]:
    """How many generations each prompt descends from, by prompt id."""
    parents = _parents(prompts)
    return {prompt.pk: sum(1 for _ in _line(prompt.pk, parents)) - 1 for prompt in prompts}


def _parents(prompts: Sequence[Prompt]) -> dict[int, int | None]:
    """The parent of each prompt and of all that it descends from, by id."""
    found = {prompt.pk: prompt.parent_id for prompt in prompts}
    for _ in range(_DEEPEST):
        missing = {parent for parent in found.values() if parent is not None} - found.keys()
        if not missing:
            break
        for part in batched(sorted(missing), _AT_ONCE):
            found.update(Prompt.objects.filter(pk__in=part).values_list("pk", "parent"))
    return found


def _line(prompt: int, parents: Mapping[int, int | None]) -> Iterator[int]:
    """A prompt and what it descends from, nearest first."""
    at: int | None = prompt
    for _ in range(_DEEPEST):
        if at is None or at not in parents:
            return
        yield at
        at = parents[at]
