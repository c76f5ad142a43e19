"""The cast at the market: a third party beside seller and buyer, each with a wallet of 100 tokens, and short verbs."""

from datetime import datetime
from typing import Any

from mintmark.accounts.callers import Caller
from mintmark.accounts.callers import from_key as caller_of_key
from mintmark.accounts.keys import issue
from mintmark.accounts.models import Principal, Role, Team, User
from mintmark.common import amounts
from mintmark.market.forks import ForkDraft
from mintmark.market.listings import ListingOffer, WarrantyTerms
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import PromptTokenListing, PurchaseRequest, Warranty
from mintmark.market.policy import MarketPolicy
from mintmark.market.purchases import PurchaseResult
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.tokens import book, wallets
from mintmark.tokens.models import Entry, Transfer
from tests.factories.cast import Cast, person, vouch_for

SECRET = "The secret of the mint: weigh {coin} twice."


class Stall:
    """Everybody, one private prompt of the seller, and the marketplace with a fee of 5 percent."""

    def __init__(self) -> None:
        self.cast = cast = Cast()
        self.now = cast.now
        self.thirds = Team.objects.create(name="thirds")
        self.third = person("third", Role.OPERATOR, Role.AUTHOR, team=self.thirds)
        vouch_for(self.third)
        self.treasurer = person("treasurer", Role.TREASURER)
        self.admin = person("admin", Role.ADMIN)
        self.market = SymbolicPromptTokenMarketplace(MarketPolicy(fee_bp=500))
        self.prompt = cast.written("acme/mint", SECRET, is_open=False)
        for user in (cast.seller, cast.buyer, self.third):
            wallets.get_or_open(principal=self.principal(user), now=self.now)
        self.keys = map("k{}".format, range(10_000))

    def as_(self, who: User | Assistant) -> Caller:
        if isinstance(who, Assistant):
            return caller_of_key(
                key=issue(principal=who.principal, scopes=["market", "evidence"]).key
            )
        return self.cast.as_(who)

    def principal(self, who: User | Assistant) -> Principal:
        return who.principal if isinstance(who, Assistant) else self.cast.as_(who).principal

    def listed(
        self,
        prompt: Prompt | None = None,
        *,
        cost: Any = "10",
        by: User | None = None,
        **terms: Any,
    ) -> PromptTokenListing:
        offer = ListingOffer(
            **{"prompt": prompt or self.prompt, "token_cost": cost, "licence": "MIT"} | terms
        )
        return self.market.list_prompt(
            caller=self.as_(by or self.cast.seller), offer=offer, now=self.now
        )

    def bought(
        self, offered: PromptTokenListing, *, by: User | Assistant | None = None, **changes: Any
    ) -> PurchaseResult:
        made = self.asked(offered, by=by, **changes)
        assert isinstance(made, PurchaseResult)
        return made

    def asked(
        self, offered: PromptTokenListing, *, by: User | Assistant | None = None, **changes: Any
    ) -> PurchaseResult | PurchaseRequest:
        asked: dict[str, Any] = {
            "listing": offered.pk,
            "price_micro": offered.price_micro,
            "idempotency_key": next(self.keys),
            "now": self.now,
        }
        return self.market.buy(caller=self.as_(by or self.cast.buyer), **(asked | changes))

    def forked(
        self, parent: Prompt, *, by: User | None = None, line: str = "", **changes: Any
    ) -> Prompt:
        caller = self.as_(by or self.cast.buyer)
        name = line or f"fork-{next(self.keys)}"
        draft = ForkDraft(
            **{
                "namespace": "forks", "name": name, "text": f"{parent.text} {name}.", "changes": ["@clarity+"],
            } | changes
        )  # fmt: skip
        team = caller.principal.team
        assert team is not None
        return self.market.fork(caller=caller, parent=parent, draft=draft, team=team, now=self.now)

    def balance(self, who: User | Assistant) -> str:
        return amounts.format_tokens(
            book.get_balances([self.principal(who).pk]).get(self.principal(who).pk, 0)
        )


def entries(transfer: int) -> dict[int, int]:
    """What a transfer moved, by account."""
    return dict(Entry.objects.filter(transfer=transfer).values_list("account", "amount_micro"))


def trace() -> tuple[int, int]:
    """How much stands in the book: transfers and entries."""
    return Transfer.objects.count(), Entry.objects.count()


def sold_with_warranty(
    cast: Cast, *, prompt: Prompt, ritual: Ritual, now: datetime, runs: int = 1
) -> Warranty:
    """The open warranty of a prompt that the buyer has bought: 0.6 on `ritual` over `runs` runs, within 14 days."""
    market = SymbolicPromptTokenMarketplace()
    seller, buyer = cast.as_(cast.seller), cast.as_(cast.buyer)
    for caller in (seller, buyer):
        wallets.get_or_open(principal=caller.principal, now=now)
    terms = WarrantyTerms(ritual=ritual, floor=0.6, runs=runs, days=14)
    offer = ListingOffer(prompt=prompt, token_cost="10", licence="MIT", warranty=terms)
    listing = market.list_prompt(caller=seller, offer=offer, now=now)
    market.buy(
        caller=buyer, listing=listing.pk, price_micro=listing.price_micro, idempotency_key="sold", now=now,
    )  # fmt: skip
    return Warranty.objects.get(purchase__listing=listing)
