"""Listings: offer a prompt for credits, change its price, take it off the market."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role
from mintmark.common import amounts, errors, licences
from mintmark.registry import entitlements
from mintmark.registry.models import Prompt, Ritual
from mintmark.tokens import wallets

from . import copies, lineage
from .models import PromptTokenListing
from .policy import MarketPolicy

MAX_PREVIEW_LENGTH = 400
_MAX_WINDOW_DAYS = 365
_MAX_RUNS = 1_000_000


class InvalidListing(errors.DomainError):
    """A prompt can't be offered on these terms; nothing was listed."""

    code = "invalid_listing"


class AlreadyListed(errors.DomainError):
    """The prompt stands on the market already; change its price, or withdraw it first."""

    code = "already_listed"


@dataclass(frozen=True, slots=True, kw_only=True)
class WarrantyTerms:
    """The seller's promise: the buyer's own outcomes on `ritual` reach `floor` in [0, 1], over `runs` runs, within
    `days` days of the purchase, or the price goes back."""

    ritual: Ritual
    floor: float
    runs: int
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingOffer:
    """A prompt about to be listed. `token_cost` in tokens; rates in hundredths of a percent: `royalty_bp` is what forks
    will owe, `max_discount_bp` the discount at which sets of others may carry it."""

    prompt: Prompt
    token_cost: str | int | float | Decimal
    licence: str = ""
    preview: str | None = None
    royalty_bp: int = 0
    max_discount_bp: int = 0
    warranty: WarrantyTerms | None = None


def create_listing(
    *, policy: MarketPolicy, caller: Caller, offer: ListingOffer, now: datetime
) -> PromptTokenListing:
    """List a prompt of the caller's own team; the caller is its seller, and their wallet gets the proceeds.

    Raises `Forbidden`, `money.InvalidAmount`, `licences.UnknownLicence`, `InvalidListing`, `AlreadyListed`,
    `copies.CopiedPrompt`.
    """
    prompt = offer.prompt
    caller.require_scope("market")
    require_author(caller=caller, prompt=prompt)
    price_micro = amounts.to_micro(offer.token_cost)
    licence = _resolve_licence(offer)
    _check_offer(policy, offer)
    lineage.require_sale_allowed(prompt=prompt)
    copies.require_no_copy(prompt=prompt)
    wallets.get_or_open(principal=caller.principal, now=now)
    warranty = offer.warranty
    with transaction.atomic():
        entitlements.lock_to_end(prompt=prompt)
        _require_standing(prompt)
        if offer.preview is not None:
            Prompt.objects.filter(pk=prompt.pk).update(preview=offer.preview)
        try:
            with transaction.atomic():
                listing = PromptTokenListing(
                    prompt=prompt,
                    listed_at=now,
                    token_cost=amounts.to_tokens(price_micro),
                    seller=caller.principal,
                    licence=licence,
                    royalty_bp=offer.royalty_bp,
                    max_discount_bp=offer.max_discount_bp,
                    warranty_ritual=warranty.ritual if warranty else None,
                    warranty_floor=warranty.floor if warranty else None,
                    warranty_runs=warranty.runs if warranty else None,
                    warranty_days=warranty.days if warranty else None,
                )
                # Raw: `listed_at` would be the machine's time, and the caller has said which time it is.
                listing.save_base(raw=True, force_insert=True)
                return listing
        except IntegrityError as error:
            if "listing_stands_once" not in str(error) and "prompt_id" not in str(error):
                raise
            raise AlreadyListed(
                f"{prompt.reference} stands on the market already; change its price, or withdraw it first."
            ) from error


def reprice(
    *, caller: Caller, listing: PromptTokenListing, token_cost: str | int | float | Decimal
) -> PromptTokenListing:
    """Change what a listing costs from now on; who bought before is not concerned."""
    caller.require_scope("market")
    require_author(caller=caller, prompt=listing.prompt)
    cost = amounts.to_tokens(amounts.to_micro(token_cost))
    with transaction.atomic():
        entitlements.lock_to_end(prompt=listing.prompt)
        standing = PromptTokenListing.objects.filter(pk=listing.pk, withdrawn_at__isnull=True)
        changed = standing.update(token_cost=cost)
    if not changed:
        raise InvalidListing("The listing was withdrawn; list the prompt anew.")
    listing.refresh_from_db()
    return listing


def withdraw(
    *, caller: Caller, listing: PromptTokenListing, reason: str, now: datetime
) -> PromptTokenListing:
    """Take a listing off the market; those who bought it keep it. Withdrawing again changes nothing."""
    caller.require_scope("market")
    require_author(caller=caller, prompt=listing.prompt)
    entitlements.check_reason(reason)
    with transaction.atomic():
        entitlements.lock_to_end(prompt=listing.prompt)
        # This one alone: where it was withdrawn before, the prompt may stand on the market anew.
        _mark_withdrawn(PromptTokenListing.objects.filter(pk=listing.pk), reason=reason, now=now)
    listing.refresh_from_db()
    return listing


def end_listing(*, prompt: Prompt, reason: str, now: datetime) -> None:
    """End the standing listing of a prompt, if there is one. Who may is for the caller to have checked, who has locked
    the prompt as well (`entitlements.lock_to_end`)."""
    _mark_withdrawn(PromptTokenListing.objects.filter(prompt=prompt), reason=reason, now=now)


def get_listing(*, pk: int) -> PromptTokenListing:
    """The listing with this id, standing or withdrawn."""
    listing = (
        PromptTokenListing.objects.select_related(
            "prompt__team", "prompt__parent", "seller", "warranty_ritual"
        )
        .filter(pk=pk)
        .first()
    )
    if listing is None:
        raise errors.NotFound(f"There is no listing {pk}.")
    return listing


def find_active_listing(*, prompt: Prompt) -> PromptTokenListing | None:
    """The listing under which a prompt is offered now."""
    return PromptTokenListing.objects.filter(prompt=prompt, withdrawn_at__isnull=True).first()


def require_author(*, caller: Caller, prompt: Prompt) -> None:
    """Refuse unless the caller may trade this prompt: an author of its team."""
    if not caller.has_role(Role.AUTHOR, team_id=prompt.team_id):
        raise errors.Forbidden(
            f"{prompt.reference} belongs to team {prompt.team}; offering it takes the role 'author' there."
        )


def _mark_withdrawn(rows: QuerySet[PromptTokenListing], *, reason: str, now: datetime) -> None:
    rows.filter(withdrawn_at__isnull=True).update(withdrawn_at=now, withdrawal_reason=reason)


def _resolve_licence(offer: ListingOffer) -> str:
    prompt_licence = offer.prompt.licence
    licence = offer.licence or prompt_licence or licences.PROPRIETARY
    if prompt_licence and licence != prompt_licence:
        raise InvalidListing(
            f"{offer.prompt.reference} was registered under {prompt_licence}; it can't be offered under {licence[:64]}."
        )
    licences.get_permissions(licence)
    return licence


def _check_offer(policy: MarketPolicy, offer: ListingOffer) -> None:
    prompt = offer.prompt
    if prompt.is_open:
        raise InvalidListing(
            f"The text of {prompt.reference} is open to everybody; there is nothing to sell."
        )
    _require_standing(prompt)
    original = (
        Prompt.objects.filter(digest=prompt.digest, pk__lt=prompt.pk)
        .exclude(team=prompt.team)
        .order_by("id")
        .first()
    )
    if original is not None:
        raise InvalidListing(
            f"The text is that of {original.reference}, which another team registered before; fork it instead."
        )
    if not 0 <= offer.royalty_bp <= policy.royalty_cap_bp:
        raise InvalidListing(
            f"The royalty is {offer.royalty_bp / 100:g} percent; it may be 0 to {policy.royalty_cap_bp / 100:g}."
        )
    if not 0 <= offer.max_discount_bp <= 9_000:
        raise InvalidListing(
            f"The discount for sets is {offer.max_discount_bp / 100:g} percent; it may be 0 to 90."
        )
    preview = offer.preview or ""
    if len(preview) > MAX_PREVIEW_LENGTH or "\0" in preview:
        raise InvalidListing(
            f"The preview has {len(preview)} characters; at most {MAX_PREVIEW_LENGTH}."
        )
    if offer.warranty is not None:
        _check_warranty(offer.warranty)


def _require_standing(prompt: Prompt) -> None:
    if hasattr(prompt, "tombstone"):
        raise InvalidListing(f"{prompt.reference} was withdrawn: {prompt.tombstone.reason}")


def _check_warranty(warranty: WarrantyTerms) -> None:
    if not 0 < warranty.floor <= 1:
        raise InvalidListing(
            f"The warranty's floor is {warranty.floor!r}; it must be above 0 and at most 1."
        )
    if not 1 <= warranty.runs <= _MAX_RUNS:
        raise InvalidListing(
            f"The warranty asks for {warranty.runs} runs; ask for 1 to {_MAX_RUNS:,}."
        )
    if not 1 <= warranty.days <= _MAX_WINDOW_DAYS:
        raise InvalidListing(
            f"The warranty's window is {warranty.days} days; it may be 1 to {_MAX_WINDOW_DAYS}."
        )
