"""Prompt sets: a curated, ordered collection, and what it costs a team."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role, Team
from mintmark.common import errors, revenue_split
from mintmark.registry import entitlements
from mintmark.registry.models import Prompt

from .models import PromptSet, PromptSetItem, PromptTokenListing

MAX_PROMPTS = 100
_NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class InvalidPromptSet(errors.DomainError):
    """A set can't be made, or can't be bought, as it is."""

    code = "invalid_prompt_set"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSetQuoteItem:
    """A prompt of a set: its standing listing (None: not offered now), what it costs in the set (micro-tokens), and
    whether the team may use it already, so that it is left out."""

    prompt: Prompt
    listing: PromptTokenListing | None
    price_micro: int
    is_entitled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSetQuote:
    """What a set costs one team now: without what it may use already."""

    prompt_set: PromptSet
    items: tuple[PromptSetQuoteItem, ...]

    @property
    def items_to_buy(self) -> tuple[PromptSetQuoteItem, ...]:
        return tuple(item for item in self.items if not item.is_entitled)

    @property
    def total_micro(self) -> int:
        return sum(item.price_micro for item in self.items_to_buy)

    @property
    def without_discount_micro(self) -> int:
        return sum(
            item.listing.price_micro for item in self.items_to_buy if item.listing is not None
        )

    @property
    def is_complete(self) -> bool:
        """Whether everything in it is still offered, on terms that carry the set's discount."""
        return all(item.listing is not None for item in self.items_to_buy)


def create_prompt_set(
    *,
    caller: Caller,
    team: Team,
    name: str,
    title: str,
    prompts: Sequence[Prompt],
    now: datetime,
    description: str = "",
    discount_bp: int = 0,
) -> PromptSet:
    """Put listed prompts together under one name and one discount.

    A discount binds sellers of other teams only as far as their listings allow it. It takes the role author.
    """
    caller.require_scope("market")
    if not caller.has_role(Role.AUTHOR, team_id=team.pk):
        raise errors.Forbidden(f"Curating a set for team {team} takes its role 'author'.")
    if not _NAME_PATTERN.fullmatch(name):
        raise InvalidPromptSet(f"The name {name[:64]!r}: use 1 to 64 of a-z, 0-9, '-' and '_'.")
    if name == "new":
        raise InvalidPromptSet(
            "The name 'new' is that of the page that makes sets; choose another."
        )
    if not title.strip() or len(title) > 200 or not title.isprintable():
        raise InvalidPromptSet(f"The title {title[:60]!r}: use 1 to 200 printable characters.")
    if len(description) > 10_000 or "\0" in description:
        raise InvalidPromptSet("The description has at most 10,000 characters and no NUL.")
    if not 0 <= discount_bp <= 9_000:
        raise InvalidPromptSet(f"The discount is {discount_bp / 100:g} percent; it may be 0 to 90.")
    if not 1 <= len(prompts) <= MAX_PROMPTS or len({p.pk for p in prompts}) < len(prompts):
        raise InvalidPromptSet(f"A set has 1 to {MAX_PROMPTS} prompts, each of them once.")
    try:
        with transaction.atomic():
            entitlements.lock_to_add(prompts=prompts)
            _require_seller_consent(prompts, team=team, discount_bp=discount_bp)
            prompt_set = PromptSet.objects.create(
                name=name,
                title=title,
                description=description,
                curator=caller.principal,
                team=team,
                discount_bp=discount_bp,
                created_at=now,
            )
            PromptSetItem.objects.bulk_create(
                [
                    PromptSetItem(prompt_set=prompt_set, prompt=prompt, position=n)
                    for n, prompt in enumerate(prompts, start=1)
                ]
            )
    except IntegrityError as error:
        raise InvalidPromptSet(f"There is a set named {name!r} already; choose another.") from error
    return prompt_set


def withdraw_prompt_set(*, caller: Caller, prompt_set: PromptSet, now: datetime) -> PromptSet:
    """Take a set off the market; what was bought stays bought."""
    caller.require_scope("market")
    if not caller.has_role(Role.AUTHOR, team_id=prompt_set.team_id):
        raise errors.Forbidden("Withdrawing a set takes the role 'author' in its team.")
    PromptSet.objects.filter(pk=prompt_set.pk, withdrawn_at__isnull=True).update(withdrawn_at=now)
    prompt_set.refresh_from_db()
    return prompt_set


def list_active_sets() -> QuerySet[PromptSet]:
    """The sets that are offered now, newest first."""
    rows = PromptSet.objects.filter(withdrawn_at__isnull=True)
    return rows.select_related("team", "curator").order_by("-id")


def get_prompt_set(*, reference: str) -> PromptSet:
    """The set with this name or id."""
    rows = PromptSet.objects.select_related("team", "curator")
    prompt_set = rows.filter(name=reference).first()
    if prompt_set is None and reference.isascii() and reference.isdigit() and len(reference) < 19:
        prompt_set = rows.filter(pk=int(reference)).first()
    if prompt_set is None:
        raise errors.NotFound(f"There is no prompt set {reference[:100]!r}: give its name or id.")
    return prompt_set


def build_quote(*, prompt_set: PromptSet, team_id: int | None) -> PromptSetQuote:
    """What a set costs a team now; to a caller without a team, what all of it costs."""
    prompts = [
        set_item.prompt
        for set_item in prompt_set.items.select_related("prompt__team").order_by("position")
    ]
    listing_by_prompt = {
        listing.prompt_id: listing
        for listing in PromptTokenListing.objects.select_related("seller").filter(
            prompt__in=prompts, withdrawn_at__isnull=True
        )
    }
    entitled_ids: set[int] = set()
    if team_id is not None:
        usable = entitlements.build_usable_q(team_ids={team_id})
        rows = Prompt.objects.filter(usable, pk__in=[p.pk for p in prompts])
        entitled_ids = set(rows.values_list("pk", flat=True))
    items = []
    for prompt in prompts:
        listing = listing_by_prompt.get(prompt.pk)
        if listing is not None and not _has_seller_consent(listing, prompt, prompt_set):
            listing = None
        price = listing.price_micro if listing is not None else 0
        items.append(
            PromptSetQuoteItem(
                prompt=prompt,
                listing=listing,
                price_micro=revenue_split.apply_discount(
                    price_micro=price, discount_bp=prompt_set.discount_bp
                ),
                is_entitled=prompt.pk in entitled_ids,
            )
        )
    return PromptSetQuote(prompt_set=prompt_set, items=tuple(items))


def list_listings_to_buy(*, prompt_set: PromptSet, team_id: int) -> list[int]:
    """The ids of the listings that a team buys with a set; refused where one of them is not offered now."""
    if prompt_set.withdrawn_at is not None:
        raise InvalidPromptSet(f"The set {prompt_set.name} was withdrawn. Nothing was charged.")
    listing_ids = []
    for item in build_quote(prompt_set=prompt_set, team_id=team_id).items_to_buy:
        if item.listing is None:
            raise InvalidPromptSet(
                f"{item.prompt.reference} of the set {prompt_set.name} is not offered at its discount now. "
                "Nothing was charged; buy the others one by one."
            )
        listing_ids.append(item.listing.pk)
    return listing_ids


def _require_seller_consent(prompts: Sequence[Prompt], *, team: Team, discount_bp: int) -> None:
    listing_by_prompt = {
        listing.prompt_id: listing
        for listing in PromptTokenListing.objects.filter(
            prompt__in=[p.pk for p in prompts], withdrawn_at__isnull=True
        )
    }
    for prompt in prompts:
        listing = listing_by_prompt.get(prompt.pk)
        if listing is None:
            raise InvalidPromptSet(f"{prompt.reference} is not on the market; list it first.")
        if prompt.team_id != team.pk and discount_bp > listing.max_discount_bp:
            raise InvalidPromptSet(
                f"{prompt.reference} belongs to team {prompt.team}, whose listing allows sets a discount of "
                f"{listing.max_discount_bp / 100:g} percent, not {discount_bp / 100:g}."
            )


def _has_seller_consent(listing: PromptTokenListing, prompt: Prompt, prompt_set: PromptSet) -> bool:
    is_own = prompt.team_id == prompt_set.team_id
    return is_own or prompt_set.discount_bp <= listing.max_discount_bp
