"""The market's busy day, for the tests of its pages: a stall of many listings, a set, a warranty that failed."""

from datetime import timedelta

from mintmark.market.listings import WarrantyTerms
from mintmark.market.models import PromptSet, PromptTokenListing
from tests.factories.holdings_fixture import Holdings

WORDS = ("refund", "outage", "invoice", "login", "delivery", "address", "password", "warranty")


class Fair:
    """Beside the holdings: the seller's stall has enough to page through, a set, and a promise that was not kept."""

    def __init__(self, holdings: Holdings) -> None:
        self.holdings, self.cast = holdings, holdings.cast
        self.stall = [self._listed(n) for n in range(24)]
        self.set = self._curated()
        self._broken_promise()
        self.unlisted = self.cast.written(
            "buyers/notes", "Take notes of {call}.", is_open=False, by=self.cast.buyer
        )

    def _listed(self, n: int) -> PromptTokenListing:
        word = WORDS[n % len(WORDS)]
        prompt = self.cast.written(
            f"acme/{word}-{n}",
            f"A customer writes about {word}. Answer {{letter}} kindly, in {n + 2} sentences.",
            is_open=False,
            tags=("task:triage", f"topic:{word}"),
        )
        return self.holdings.listed(
            prompt,
            str(2 + n * 0.75),
            by=self.cast.seller,
            at=self.holdings.ago(days=3),
            licence=("MIT", "CC-BY-SA-4.0", "Apache-2.0")[n % 3],
            preview=f"Answers a letter about {word}.",
            max_discount_bp=2_000,
        )

    def _curated(self) -> PromptSet:
        held = self.holdings
        return held.market.create_prompt_set(
            caller=held.caller(self.cast.seller),
            team=self.cast.sellers,
            name="on-call",
            title="On-call starter",
            description="What an engineer on call needs in the first hour.",
            prompts=[held.brief, held.escalate, *[one.prompt for one in self.stall[:3]]],
            discount_bp=2_000,
            now=held.ago(days=2),
        )

    def _broken_promise(self) -> None:
        """A prompt under warranty that the guests' assistant measured too low."""
        held, cast = self.holdings, self.cast
        warranty = WarrantyTerms(ritual=cast.triage, floor=0.7, runs=10, days=7)
        prompt = cast.written("acme/soothe", "Soothe the author of {letter}.", is_open=False)
        self.soothe = held.listed(
            prompt, "4", by=cast.seller, at=held.ago(days=3), licence="CC-BY-NC-4.0",
            warranty=warranty, preview="Calms whoever wrote in anger.",
        )  # fmt: skip
        held.bought(self.soothe, by=held.guest, at=held.ago(days=2))
        visitor = cast.assistant("visitor", team=held.guests)
        cast.record(
            cast.outcome(score=0.4, prompt=prompt.pk, assistant=visitor.pk),
            by=held.guest,
            now=held.now - timedelta(days=1),
        )
        held.market.decide_due_warranties(now=held.ago(hours=20))
