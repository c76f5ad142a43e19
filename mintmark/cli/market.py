"""`mintmark market`."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from mintmark.common import errors

from . import bootstrap, output, resolve

if TYPE_CHECKING:
    from mintmark.market.models import PromptTokenListing, Purchase, PurchaseRequest
    from mintmark.market.search import ListingCard

_ORDERS = ("trust", "adoption", "newest", "price", "-price")


class NotConfirmed(errors.DomainError):
    """A step that can't be undone was not confirmed; nothing was done."""

    code = "not_confirmed"


@click.group()
def market() -> None:
    """See what is traded; settle, revoke, withdraw permanently."""


@market.command(name="list")
@click.option("--search", default="", help="Words of name, title, preview or tags.")
@click.option("--order", type=click.Choice(_ORDERS), default="trust", show_default=True)
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@output.json_option
def list_(*, search: str, order: str, limit: int, as_json: bool) -> None:
    """List what is offered, with price, terms and scores.

    Trust is over all assistants, with its 90% interval.
    """
    bootstrap.open_database()
    from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
    from mintmark.market.search import ListingQuery

    results = SymbolicPromptTokenMarketplace().search(
        caller=resolve.resolve_caller(),
        query=ListingQuery(text=search, order=order, limit=limit),
        now=datetime.now(UTC),
    )
    if as_json:
        listings = [_build_listing_document(card) for card in results.cards]
        output.print_json({"listings": listings, "total": results.total})
        return
    columns = ["prompt", "credits", "trust", "adopted", "codex", "tags", "licence", "warranty"]
    output.print_table(
        columns=columns,
        rows=[_build_row(card) for card in results.cards],
        empty="Nothing is offered"
        + (f" that fits {search!r}." if search else " yet: authors list their prompts."),
        right=["credits", "adopted", "codex", "tags"],
    )
    if results.has_more:
        output.print_message(
            f"{len(results.cards)} of {results.total:,}; --limit shows more.", as_json=True
        )


@market.command()
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
@output.json_option
def orders(*, limit: int, as_json: bool) -> None:
    """List recent purchases, newest first, and the requests that wait for a person."""
    bootstrap.open_database()
    from mintmark.market import purchase_requests
    from mintmark.market.models import Purchase, PurchaseRequest

    purchase_rows = Purchase.objects.select_related(
        "prompt", "buyer", "team", "prompt_set", "warranty", "entitlement"
    ).order_by("-id")[:limit]
    request_rows = purchase_requests.visible_to(caller=resolve.resolve_caller()).filter(
        state=PurchaseRequest.State.WAITING
    )[:limit]
    purchases = [_build_purchase_document(purchase) for purchase in purchase_rows]
    waiting = [_build_request_document(request) for request in request_rows]
    if as_json:
        output.print_json({"purchases": purchases, "waiting": waiting})
        return
    output.print_table(
        columns=["when", "transfer", "prompt", "credits", "buyer", "for team", "set", "warranty"],
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
        right=["transfer", "credits"],
    )
    for row in waiting:
        goods_name = row["prompt"] or f"the set {row['set']}"
        output.print_message(
            f"{row['buyer']} asks to buy {goods_name} for {row['tokens']} credits since "
            f"{row['at']:%Y-%m-%d %H:%M}: an operator of team {row['team']} decides."
        )


@market.command()
@output.json_option
def settle(*, as_json: bool) -> None:
    """Settle the warranties that are due: pay out, or refund.

    A worker does this once a minute.
    """
    bootstrap.open_database()
    from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
    from mintmark.market.models import Warranty

    warranties = SymbolicPromptTokenMarketplace().decide_due_warranties(now=datetime.now(UTC))
    waiting = Warranty.objects.filter(state=Warranty.State.OPEN).count()
    rows = [
        {
            "prompt": warranty.purchase.prompt.reference,
            "purchase": warranty.purchase_id,
            "state": warranty.state,
            "score": warranty.score,
            "runs": warranty.runs,
            "tokens": output.format_exact(warranty.purchase.price_micro),
        }
        for warranty in warranties
    ]
    if as_json:
        output.print_json({"settled": rows, "waiting": waiting})
        return
    for row in rows:
        outcome = (
            f"{row['score']:.3f} over {row['runs']} runs" if row["runs"] else "nothing measured"
        )
        did = "refunded" if row["state"] == Warranty.State.FAILED else "paid out"
        output.print_message(f"{row['prompt']}: {outcome}; {row['tokens']} credits {did}.")
    output.print_message(f"{len(rows)} settled, {waiting} still wait.")


@market.command()
@output.json_option
def refresh(*, as_json: bool) -> None:
    """Bring the stored scores of all listings up to date.

    A worker does this once a minute.
    """
    bootstrap.open_database()
    from mintmark.market.marketplace import SymbolicPromptTokenMarketplace

    changed = SymbolicPromptTokenMarketplace().refresh_scores(now=datetime.now(UTC))
    if as_json:
        output.print_json({"changed": changed})
    else:
        output.print_message(f"{changed} listings have other scores now.")


@market.command()
@click.argument("prompt")
@click.argument("team")
@click.option("--reason", required=True, help="Why; kept with what ended.")
@output.json_option
def revoke(*, prompt: str, team: str, reason: str, as_json: bool) -> None:
    """Take PROMPT away from TEAM at once: its text, and its place in every assistant of theirs.

    What was paid stays paid; to pay it back, give the buyer credits.
    """
    bootstrap.open_database()
    from mintmark.deployments.models import Injection
    from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
    from mintmark.registry import entitlements, prompts

    prompt_row = prompts.resolve(reference=prompt)
    team_row = resolve.resolve_team(name=team)
    entitlement = entitlements.list_active_grants(
        prompt=prompt_row, team_ids=frozenset({team_row.pk})
    ).first()
    if entitlement is None:
        raise errors.NotFound(
            f"Team {team_row} has no right to {prompt_row.reference}: nothing to revoke."
        )
    at_work = Injection.objects.filter(
        prompt=prompt_row, assistant__team=team_row, ended_at__isnull=True
    ).count()
    ended = SymbolicPromptTokenMarketplace().revoke_entitlement(
        caller=resolve.resolve_caller(),
        entitlement=entitlement,
        reason=reason,
        now=datetime.now(UTC),
    )
    if as_json:
        output.print_json(
            {
                "prompt": prompt_row.reference,
                "team": team_row.name,
                "ended_at": ended.ended_at,
                "reason": ended.end_reason,
                "injections_ended": at_work,
            }
        )
        return
    output.print_message(
        f"{prompt_row.reference} is revoked for team {team_row}; {at_work} injections ended."
    )


@market.command(name="near-copies")
@click.argument("prompt")
@output.json_option
def near_copies(*, prompt: str, as_json: bool) -> None:
    """Show which earlier prompts of other teams PROMPT is a near-copy of."""
    bootstrap.open_database()
    from mintmark.market import copies
    from mintmark.registry import prompts

    rows = [
        {
            "original": copied.original.reference,
            "team": copied.original.team.name,
            "likeness": copied.likeness,
            "was_listed": copied.was_listed,
            "allowed_by": copied.decision.decided_by.name if copied.decision else None,
        }
        for copied in copies.list_copied(prompt=prompts.resolve(reference=prompt))
    ]
    if as_json:
        output.print_json(rows)
        return
    output.print_table(
        columns=["original", "team", "of its wording", "listed", "allowed by"],
        rows=[
            [
                row["original"], row["team"], f"{row['likeness']:.0%}", "yes" if row["was_listed"] else "no",
                row["allowed_by"] or "",
            ]
            for row in rows
        ],
        empty="It is a near-copy of no other team's prompt.",
    )  # fmt: skip


@market.command(name="allow-copy")
@click.argument("prompt")
@click.argument("original")
@click.option("--reason", required=True, help="Why; it stays on record.")
@output.json_option
def allow_copy(*, prompt: str, original: str, reason: str, as_json: bool) -> None:
    """Decide that PROMPT, a near-copy of ORIGINAL, may be listed without paying it a royalty."""
    bootstrap.open_database()
    from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
    from mintmark.registry import prompts

    decision = SymbolicPromptTokenMarketplace().allow_copy(
        caller=resolve.resolve_caller(),
        prompt=prompts.resolve(reference=prompt),
        original=prompts.resolve(reference=original),
        reason=reason,
        now=datetime.now(UTC),
    )
    if as_json:
        output.print_json(
            {
                "prompt": decision.prompt.reference,
                "original": decision.original.reference,
                "reason": decision.reason,
                "decided_at": decision.decided_at,
            }
        )
    else:
        output.print_message(
            f"{decision.prompt.reference} may be listed beside {decision.original.reference}."
        )


@market.command(name="withdraw-permanently")
@click.argument("prompt")
@click.option("--reason", required=True, help="Why; everybody who had it reads this.")
@click.option("--yes", is_flag=True, help="Do it. Without this it only says what it would do.")
@output.json_option
def withdraw_permanently(*, prompt: str, reason: str, yes: bool, as_json: bool) -> None:
    """Withdraw PROMPT from everywhere, at once and permanently.

    It leaves the market and every assistant; nobody but its own team reads it again. Prices that
    still wait for its warranties go back to the buyers.
    """
    bootstrap.open_database()
    from mintmark.deployments.models import Injection
    from mintmark.market import listings
    from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
    from mintmark.market.models import Warranty
    from mintmark.registry import prompts
    from mintmark.registry.models import Entitlement

    prompt_row = prompts.resolve(reference=prompt)
    ends: dict[str, Any] = {
        "listed": listings.find_active_listing(prompt=prompt_row) is not None,
        "teams": Entitlement.objects.filter(prompt=prompt_row, ended_at__isnull=True).count(),
        "injections_ended": Injection.objects.filter(
            prompt=prompt_row, ended_at__isnull=True
        ).count(),
        "refunds": Warranty.objects.filter(
            purchase__prompt=prompt_row, state=Warranty.State.OPEN
        ).count(),
    }
    summary = (
        f"{'its listing, ' if ends['listed'] else ''}the use of it by teams: {ends['teams']}, "
        f"injections: {ends['injections_ended']}, refunds: {ends['refunds']}"
    )
    if not yes:
        raise NotConfirmed(
            f"{prompt_row.reference} would be withdrawn permanently ({summary}). "
            "This can't be undone: confirm it with --yes."
        )
    stone = SymbolicPromptTokenMarketplace().withdraw_permanently(
        caller=resolve.resolve_caller(), prompt=prompt_row, reason=reason, now=datetime.now(UTC)
    )
    if as_json:
        output.print_json(
            {"prompt": prompt_row.reference, "set_at": stone.set_at, "reason": stone.reason} | ends
        )
        return
    output.print_message(f"{prompt_row.reference} is withdrawn permanently. Ended: {summary}.")


def _build_listing_document(card: "ListingCard") -> dict[str, Any]:
    listing = card.listing
    return {
        "id": listing.pk,
        "prompt": listing.prompt.reference,
        "title": listing.prompt.title,
        "seller": listing.seller.name,
        "team": listing.prompt.team.name,
        "tokens": output.format_exact(listing.price_micro),
        "licence": listing.licence,
        "royalty_bp": listing.royalty_bp,
        "warranty": _build_warranty_document(listing),
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


def _build_warranty_document(listing: "PromptTokenListing") -> dict[str, Any] | None:
    if listing.warranty_ritual is None:
        return None
    return {
        "ritual": listing.warranty_ritual.name,
        "floor": listing.warranty_floor,
        "runs": listing.warranty_runs,
        "days": listing.warranty_days,
    }


def _build_row(card: "ListingCard") -> list[object]:
    listing = card.listing
    warranty_text = (
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
        warranty_text,
    ]


def _build_purchase_document(purchase: "Purchase") -> dict[str, Any]:
    warranty = getattr(purchase, "warranty", None)
    return {
        "purchase": purchase.pk,
        "at": purchase.bought_at,
        "transfer": purchase.transfer_id,
        "prompt": purchase.prompt.reference,
        "tokens": output.format_exact(purchase.price_micro),
        "buyer": purchase.buyer.name,
        "team": purchase.team.name,
        "set": purchase.prompt_set.name if purchase.prompt_set is not None else None,
        "warranty": warranty.state if warranty is not None else None,
        "entitled": purchase.entitlement.ended_at is None,
    }


def _build_request_document(request: "PurchaseRequest") -> dict[str, Any]:
    return {
        "request": request.pk,
        "at": request.asked_at,
        "prompt": request.listing.prompt.reference if request.listing is not None else None,
        "set": request.prompt_set.name if request.prompt_set is not None else None,
        "tokens": output.format_exact(request.price_micro),
        "buyer": request.buyer.name,
        "team": request.buyer.team.name if request.buyer.team is not None else None,
        "why": request.why,
    }
