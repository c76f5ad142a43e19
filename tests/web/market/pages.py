"""The market's pages: how their tests read and use them."""

import re
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from mintmark.accounts.models import User
from mintmark.common import amounts
from mintmark.market.listings import ListingOffer
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import PromptSet, PromptTokenListing, Purchase
from mintmark.registry.models import Prompt
from mintmark.tokens import wallets
from tests.factories.web_scene import Scene
from tests.web import markup

PREVIEW = "Weighs coins for you."


@dataclass
class Town:
    """The scene with a market: the seller's secret is listed for 12.5 credits, and 100 credits are in each wallet."""

    scene: Scene
    market: SymbolicPromptTokenMarketplace = field(default_factory=SymbolicPromptTokenMarketplace)

    def __post_init__(self) -> None:
        self.cast = self.scene.cast
        self.listing = self.listed(self.scene.secret, "12.5", preview=PREVIEW, royalty_bp=1_000)

    @property
    def seller(self) -> Client:
        return self.scene.client(self.cast.seller)

    @property
    def buyer(self) -> Client:
        return self.scene.client(self.cast.buyer)

    @property
    def stranger(self) -> Client:
        return self.scene.client(self.cast.stranger)

    def listed(
        self, prompt: Prompt, price: str, *, by: User | None = None, **terms: Any
    ) -> PromptTokenListing:
        offer = ListingOffer(prompt=prompt, token_cost=price, **({"licence": "MIT"} | terms))
        caller = self.cast.as_(by or self.cast.seller)
        return self.market.list_prompt(caller=caller, offer=offer, now=timezone.now())

    def stocked(self, count: int, **terms: Any) -> list[PromptTokenListing]:
        """That many more listings of the seller, each dearer than the one before."""
        made = []
        for n in range(count):
            text = f"Count the coins of {{chest}} in way {n}."
            prompt = self.cast.written(
                f"acme/coins-{n}", text, is_open=False, tags=("task:triage", f"way:{n % 3}")
            )
            made.append(self.listed(prompt, str(n + 1), **terms))
        return made

    def curated(self, *prompts: Prompt, discount_bp: int = 2_000) -> PromptSet:
        return self.market.create_prompt_set(
            caller=self.cast.as_(self.cast.seller), team=self.cast.sellers, name="starter",
            title="On-call starter", prompts=prompts, discount_bp=discount_bp, now=timezone.now(),
        )  # fmt: skip

    def balance(self, user: User) -> str:
        principal = self.cast.as_(user).principal
        return amounts.format_tokens(
            wallets.get_or_open(principal=principal, now=timezone.now()).balance_micro
        )

    def bought(self, listing: PromptTokenListing | None = None) -> int:
        """The transfer by which the buyer has bought a listing."""
        one = listing or self.listing
        self.market.buy(
            caller=self.cast.as_(self.cast.buyer), listing=one.pk, price_micro=one.price_micro,
            idempotency_key=f"by-verb-{one.pk}", now=timezone.now(),
        )  # fmt: skip
        return Purchase.objects.get(listing=one).transfer_id


def page(client: Client, path: str, status: int = 200, **headers: str) -> str:
    answer = client.get(path, headers=headers)
    assert answer.status_code == status, markup.read(answer)[:2000]
    return markup.read(answer)


def cards(page: str) -> list[str]:
    return re.findall(r'<h3 id="listing-\d+"><a class="name" href="[^"]+">([^<]+)<', page)


def form(page: str) -> dict[str, str]:
    """What the form of the page's buying button would send."""
    form = page.split('class="buy"')[1].split("</form>")[0]
    return dict(re.findall(r'name="(team|price|key)" value="([^"]*)"', form))


def buying(client: Client, path: str, **changes: str) -> HttpResponse:
    sent = form(page(client, path)) | changes
    return client.post(path, sent)  # type: ignore[return-value]
