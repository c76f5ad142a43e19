"""`mintmark market`."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from mintmark.core import errors

from . import holders, installation, output

if TYPE_CHECKING:
    from mintmark.market.models import PromptTokenListing, Purchase, PurchaseRequest
    from mintmark.market.search import Card

_ORDERS = ("trust", "adoption", "newest", "price", "-price")


class NotConfirmed(errors.Refusal):
    """A step that can't be undone was not confirmed; nothing was done."""

    code = "not_confirmed"


@click.group()
def market() -> None:
    """See what is traded; settle, revoke, withdraw for good."""


@market.command(name="list")
@click.option("--search", default="", help="Words of name, title, preview or tags.")
@click.option("--order", type=click.Choice(_ORDERS), default="trust", show_default=True)
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@output.json_option
def list_(*, search: str, order: str, limit: int, as_json: bool) -> None:
    """List what is offered, with price, terms and scores.

    Trust is over all assistants, with its 90% interval.
    """
    installation.open_database()
    from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
    from mintmark.market.search import Asked

    found = SymbolicPromptTokenMarketplace().search(
        caller=holders.acting(),
        asked=Asked(text=search, order=order, limit=limit),
        now=datetime.now(UTC),
    )
    if as_json:
        listings = [_as_json(card) for card in found.cards]
        output.print_json({"listings": listings, "total": found.total})
        return
    columns = ["prompt", "tokens", "trust", "adopted", "codex", "tags", "licence", "warranty"]
    output.print_table(
        columns=columns,
        rows=[_row(card) for card in found.cards],
        empty="Nothing is offered"
        + (f" that fits {search!r}." if search else " yet: authors list their prompts."),
        right=["tokens", "adopted", "codex", "tags"],
    )
    if found.has_more:
        output.say(f"{len(found.cards)} of {found.total:,}; --limit shows more.", as_json=True)


@market.command()
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
@output.json_option
def orders(*, limit: int, as_json: bool) -> None:
    """List recent purchases, newest first, and the requests that wait for a person."""
    installation.open_database()
    from mintmark.market import requests
    from mintmark.market.models import Purchase, PurchaseRequest

    bought = Purchase.objects.select_related(
        "prompt", "buyer", "team", "prompt_set", "warranty", "entitlement"
    ).order_by("-id")[:limit]
    asked = requests.visible_to(caller=holders.acting()).filter(
        state=PurchaseRequest.State.WAITING
    )[:limit]
    purchases = [_bought(purchase) for purchase in bought]
    waiting = [_asked(request) for request in asked]
    if as_json:
        output.print_json({"purchases": purchases, "waiting": waiting})
        return
    output.print_table(
        columns=["when", "transfer", "prompt", "tokens", "buyer", "for team", "set", "warranty"],
        rows=[
            [
                f"{row['at']:%Y-%m-%d %H:%M}",
                row["transfer"],
                row["prompt"],
                row["tokens"],
                row["buyer"],
                row["team"] + ("" if row["entitled"] else " (ended)"),
                row["set"],
                row["warranty"],
            ]
            for row in purchases
        ],
        empty="Nothing was bought yet.",
        right=["transfer", "tokens"],
    )
    for row in waiting:
        wanted = row["prompt"] or f"the set {row['set']}"
        output.say(
            f"{row['buyer']} asks to buy {wanted} for {row['tokens']} tokens since "
            f"{row['at']:%Y-%m-%d %H:%M}: an operator of team {row['team']} decides."
        )


@market.command()
@output.json_option
def settle(*, as_json: bool) -> None:
    """Settle the warranties that are due: pay out, or refund.

    A worker does this once a minute.
    """
    installation.open_database()
    from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
    from mintmark.market.models import Warranty

    settled = SymbolicPromptTokenMarketplace().settle(now=datetime.now(UTC))
    waiting = Warranty.objects.filter(state=Warranty.State.OPEN).count()
    rows = [
        {
            "prompt": warranty.purchase.prompt.reference,
            "purchase": warranty.purchase_id,
            "state": warranty.state,
            "score": warranty.score,
            "runs": warranty.runs,
            "tokens": output.exact(warranty.purchase.price_micro),
        }
        for warranty in settled
    ]
    if as_json:
        output.print_json({"settled": rows, "waiting": waiting})
        return
    for row in rows:
        told = f"{row['score']:.3f} over {row['runs']} runs" if row["runs"] else "nothing measured"
        did = "refunded" if row["state"] == Warranty.State.FAILED else "paid out"
        output.say(f"{row['prompt']}: {told}; {row['tokens']} tokens {did}.")
    output.say(f"{len(rows)} settled, {waiting} still wait.")


@market.command()
@output.json_option
def refresh(*, as_json: bool) -> None:
    """Bring the stored scores of all listings up to date.

    A worker does this once a minute.
    """
    installation.open_database()
    from mintmark.market.marketplace import SymbolicPromptTokenMarketplace

    changed = SymbolicPromptTokenMarketplace().refresh(now=datetime.now(UTC))
    if as_json:
        output.print_json({"changed": changed})
    else:
        output.say(f"{changed} listings have other scores now.")


@market.command()
@click.argument("prompt")
@click.argument("team")
@click.option("--reason", required=True, help="Why; kept with what ended.")
@output.json_option
def revoke(*, prompt: str, team: str, reason: str, as_json: bool) -> None:
    """Take PROMPT away from TEAM at once: its text, and its place in every assistant of theirs.

    What was paid stays paid; whoever should get tokens back is given them.
    """
    installation.open_database()
    from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
    from mintmark.market.models import Injection
    from mintmark.registry import entitlements, prompts

    found = prompts.named(reference=prompt)
    where = holders.team(name=team)
    held = entitlements.live(prompt=found, team_ids=frozenset({where.pk})).first()
    if held is None:
        raise errors.NotFound(f"Team {where} was not given {found.reference}: there is no right.")
    at_work = Injection.objects.filter(
        prompt=found, assistant__team=where, ended_at__isnull=True
    ).count()
    ended = SymbolicPromptTokenMarketplace().revoke(
        caller=holders.acting(), entitlement=held, reason=reason, now=datetime.now(UTC)
    )
    if as_json:
        output.print_json(
            {
                "prompt": found.reference,
                "team": where.name,
                "ended_at": ended.ended_at,
                "reason": ended.end_reason,
                "injections_ended": at_work,
            }
        )
        return
    output.say(f"{found.reference} is revoked for team {where}; {at_work} injections ended.")


@market.command()
@click.argument("prompt")
@click.option("--reason", required=True, help="Why; everybody who had it reads this.")
@click.option("--yes", is_flag=True, help="Do it. Without this it only says what it would do.")
@output.json_option
def entomb(*, prompt: str, reason: str, yes: bool, as_json: bool) -> None:
    """Withdraw PROMPT from everywhere, at once and for ever.

    It leaves the market and every assistant; nobody but its own team reads it again. Prices that
    still wait for its warranties go back to the buyers.
    """
    installation.open_database()
    from mintmark.market import listings
    from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
    from mintmark.market.models import Injection, Warranty
    from mintmark.registry import prompts
    from mintmark.registry.models import Entitlement

    found = prompts.named(reference=prompt)
    ends: dict[str, Any] = {
        "listed": listings.standing(prompt=found) is not None,
        "teams": Entitlement.objects.filter(prompt=found, ended_at__isnull=True).count(),
        "injections_ended": Injection.objects.filter(prompt=found, ended_at__isnull=True).count(),
        "refunds": Warranty.objects.filter(
            purchase__prompt=found, state=Warranty.State.OPEN
        ).count(),
    }
    says = (
        f"{'its listing, ' if ends['listed'] else ''}the use of it by teams: {ends['teams']}, "
        f"injections: {ends['injections_ended']}, refunds: {ends['refunds']}"
    )
    if not yes:
        raise NotConfirmed(
            f"{found.reference} would be withdrawn for ever ({says}). This can't be undone: say it with --yes."
        )
    stone = SymbolicPromptTokenMarketplace().entomb(
        caller=holders.acting(), prompt=found, reason=reason, now=datetime.now(UTC)
    )
    if as_json:
        output.print_json(
            {"prompt": found.reference, "set_at": stone.set_at, "reason": stone.reason} | ends
        )
        return
    output.say(f"{found.reference} is withdrawn for ever. Ended: {says}.")


def _as_json(card: "Card") -> dict[str, Any]:
    listing = card.listing
    return {
        "id": listing.pk,
        "prompt": listing.prompt.reference,
        "title": listing.prompt.title,
        "seller": listing.seller.name,
        "team": listing.prompt.team.name,
        "tokens": output.exact(listing.price_micro),
        "licence": listing.licence,
        "royalty_bp": listing.royalty_bp,
        "warranty": _warranty_as_json(listing),
        "trust": {
            "value": card.swarm.value,
            "low": card.swarm.low,
            "high": card.swarm.high,
            "runs": card.swarm.runs,
        },
        "swarm_adoption_score": listing.swarm_adoption_score,
        "codex_usage_score": listing.codex_usage_score,
        "symbolic_tag_weight": listing.symbolic_tag_weight,
        "scored_at": listing.scored_at,
        "listed_at": listing.listed_at,
        "forks": card.forks,
    }


def _warranty_as_json(listing: "PromptTokenListing") -> dict[str, Any] | None:
    if listing.warranty_ritual is None:
        return None
    return {
        "ritual": listing.warranty_ritual.name,
        "floor": listing.warranty_floor,
        "runs": listing.warranty_runs,
        "days": listing.warranty_days,
    }


def _row(card: "Card") -> list[object]:
    listing = card.listing
    promise = (
        f"≥ {listing.warranty_floor:g} on {listing.warranty_ritual.name}"
        if listing.warranty_ritual is not None
        else ""
    )
    return [
        listing.prompt.reference,
        listing.price,
        f"{card.swarm.value:.2f} ({card.swarm.low:.2f}–{card.swarm.high:.2f})",
        f"{listing.swarm_adoption_score:.0%}",
        f"{listing.codex_usage_score:.2f}",
        f"{listing.symbolic_tag_weight:.2f}",
        listing.licence,
        promise,
    ]


def _bought(purchase: "Purchase") -> dict[str, Any]:
    warranty = getattr(purchase, "warranty", None)
    return {
        "purchase": purchase.pk,
        "at": purchase.bought_at,
        "transfer": purchase.transfer_id,
        "prompt": purchase.prompt.reference,
        "tokens": output.exact(purchase.price_micro),
        "buyer": purchase.buyer.name,
        "team": purchase.team.name,
        "set": purchase.prompt_set.name if purchase.prompt_set is not None else None,
        "warranty": warranty.state if warranty is not None else None,
        "entitled": purchase.entitlement.ended_at is None,
    }


def _asked(request: "PurchaseRequest") -> dict[str, Any]:
    return {
        "request": request.pk,
        "at": request.asked_at,
        "prompt": request.listing.prompt.reference if request.listing is not None else None,
        "set": request.prompt_set.name if request.prompt_set is not None else None,
        "tokens": output.exact(request.price_micro),
        "buyer": request.buyer.name,
        "team": request.buyer.team.name if request.buyer.team is not None else None,
        "why": request.why,
    }
