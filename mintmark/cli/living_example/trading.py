"""The simulated market, played through the marketplace's own verbs; a second playing changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import singledispatchmethod

import numpy as np
from django.db import transaction

from mintmark.accounts import callers
from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Principal, Team, User
from mintmark.core import money
from mintmark.importers.reports import Progress
from mintmark.market import prompt_sets
from mintmark.market.forks import ForkDraft
from mintmark.market.listings import Offer, WarrantyTerms
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import PromptTokenListing
from mintmark.market.receipts import Receipt
from mintmark.registry import assistants, prompts, rituals
from mintmark.registry.models import Prompt
from mintmark.tokens import wallets
from mintmark.tokens.models import Transfer
from mintmark.trust import intake

from . import acts, fleet, simulation
from .loading import SIMULATED, SOURCE, tags

WALLET_MICRO = 100 * money.MICRO
"""What everybody begins with, whatever the opening grant is here."""
VISITOR_MICRO = 100 * money.MICRO
_RUNS = 8
_PERCENT = 100
_SEED = 11


@dataclass(frozen=True, kw_only=True)
class Traded:
    """What one playing added: listings, purchases, events; all 0 where all was there."""

    listings: int
    purchases: int
    events: int


def load(
    *,
    described: fleet.Fleet,
    console: Caller,
    visitor: User,
    start: datetime,
    now: datetime,
    progress: Progress = lambda done, total: None,
) -> Traded:
    """Play the market of the fleet's last thirty days, and fill the visitor's wallet at `now`: all of it, or nothing.

    `start` is when the ninety days began. On PostgreSQL its evidence is yet to be folded.
    """
    with transaction.atomic():
        if Transfer.objects.filter(key=f"mint:{console.principal.pk}:{_key(visitor)}").exists():
            return Traded(listings=0, purchases=0, events=0)
        stage = _Stage(described, console=console, start=start)
        told = acts.read()
        for done, act in enumerate(told):
            stage.play(act)
            progress(done + 1, len(told))
        guest = callers.from_user(user=visitor).principal
        stage.fill(guest, now=now)
        wallets.mint(
            caller=console,
            to=guest,
            amount_micro=VISITOR_MICRO,
            reason="to try the market with (simulated)",
            key=_key(visitor),
            now=now,
        )
        stage.market.refresh(now=now)
    return Traded(listings=stage.listings, purchases=stage.purchases, events=stage.events)


def _key(visitor: User) -> str:
    return f"demo:{visitor.get_username()}"


class _Stage:
    """Where the acts are played: the marketplace, its people, and the truth about prompts."""

    def __init__(self, described: fleet.Fleet, *, console: Caller, start: datetime) -> None:
        self.market = SymbolicPromptTokenMarketplace()
        self.console = console
        self.start = start
        self.listings = self.purchases = self.events = 0
        self.world = simulation.World(described, np.random.default_rng(simulation.SEED))
        # The world's own dice are thrown by the fleet; these fall the same, whatever is added there.
        self.rng = self.world.rng = np.random.default_rng(_SEED)
        self.assistants = {assistant.name: assistant for assistant in described.assistants}
        self.described = {prompt.reference: prompt for prompt in described.prompts}
        self.stored: dict[str, Prompt] = {}
        self.people: dict[str, Caller] = {}

    def at(self, act: acts.Act) -> datetime:
        return self.start + timedelta(days=act.day)

    def prompt(self, reference: str) -> Prompt:
        if reference not in self.stored:
            self.stored[reference] = prompts.named(reference=reference)
        return self.stored[reference]

    def caller(self, act: acts.Act) -> Caller:
        """Who acts; the wallet of a person is filled the first time."""
        if act.who not in self.people:
            if act.who in self.assistants:
                principal = assistants.named(reference=act.who).principal
                self.people[act.who] = Caller(
                    principal=principal,
                    scopes=frozenset({"market"}),
                    roles=frozenset(),
                    team_ids=frozenset({principal.team_id} if principal.team_id else ()),
                )
            else:
                who = callers.from_user(user=User.objects.get(username=act.who))
                self.fill(who.principal, now=self.at(act))
                self.people[act.who] = who
        return self.people[act.who]

    def fill(self, principal: Principal, *, now: datetime) -> None:
        """Open a wallet; where the opening grant is small, issue what it lacks."""
        lacking = WALLET_MICRO - wallets.opened(principal=principal, now=now).balance_micro
        if lacking > 0:
            wallets.mint(
                caller=self.console,
                to=principal,
                amount_micro=lacking,
                reason="instead of an opening grant (simulated)",
                key=f"demo:opening:{principal.pk}",
                now=now,
            )

    @singledispatchmethod
    def play(self, act: acts.Act) -> None:
        raise TypeError(f"nobody knows how to play {act}")

    @play.register
    def _(self, act: acts.Mandate) -> None:
        self.market.give_mandate(
            caller=self.caller(act),
            assistant=assistants.named(reference=act.assistant),
            per_purchase_micro=_limit(act.per_purchase),
            per_day_micro=_limit(act.per_day),
            trust_floor=act.trust_floor,
            now=self.at(act),
        )

    @play.register
    def _(self, act: acts.Gift) -> None:
        wallets.give(
            caller=self.caller(act),
            to=assistants.named(reference=act.to).principal,
            amount_micro=money.micro(act.tokens),
            memo=act.memo,
            key=f"demo:{act.to}",
            now=self.at(act),
        )

    @play.register
    def _(self, act: acts.Mint) -> None:
        wallets.mint(
            caller=self.console,
            to=self.caller(act).principal,
            amount_micro=money.micro(act.tokens),
            reason=act.reason,
            key=f"demo:budget:{act.who}",
            now=self.at(act),
        )

    @play.register
    def _(self, act: acts.Listing) -> None:
        promised = act.warranty
        self.market.list_prompt(
            caller=self.caller(act),
            offer=Offer(
                prompt=self.prompt(act.prompt),
                token_cost=act.tokens,
                preview=act.preview,
                royalty_bp=act.royalty * _PERCENT,
                max_discount_bp=act.max_discount * _PERCENT,
                warranty=WarrantyTerms(
                    ritual=rituals.named(reference=promised.ritual),
                    floor=promised.floor,
                    runs=promised.runs,
                    days=promised.days,
                )
                if promised
                else None,
            ),
            now=self.at(act),
        )
        self.listings += 1

    @play.register
    def _(self, act: acts.PromptSet) -> None:
        self.market.curate(
            caller=self.caller(act),
            team=Team.objects.get(name=act.team),
            name=act.name,
            title=act.title,
            prompts=[self.prompt(reference) for reference in act.prompts],
            description=f"{act.description} {SIMULATED}",
            discount_bp=act.discount * _PERCENT,
            now=self.at(act),
        )

    @play.register
    def _(self, act: acts.Purchase) -> None:
        caller = self.caller(act)
        key = f"demo:{act.day}"
        if act.set:
            wanted = prompt_sets.named(reference=act.set)
            quote = prompt_sets.quote(prompt_set=wanted, team_id=caller.principal.team_id)
            made = self.market.buy(
                caller=caller, prompt_set=wanted, price_micro=quote.total_micro, key=key, now=self.at(act)
            )  # fmt: skip
        else:
            listing = PromptTokenListing.objects.get(
                prompt=self.prompt(act.prompt), withdrawn_at__isnull=True
            )
            made = self.market.buy(
                caller=caller, listing=listing.pk, price_micro=listing.price_micro, key=key, now=self.at(act)
            )  # fmt: skip
        # What an assistant may not buy by itself is a request.
        self.purchases += len(made.lines) if isinstance(made, Receipt) else 0

    @play.register
    def _(self, act: acts.Trial) -> None:
        prompt = self.prompt(act.prompt)
        described = self.described[act.prompt]
        ritual = self.world.fleet.ritual_of[described.task].name
        claims = []
        for n, name in enumerate(act.assistants):
            chance = self.world.chance(self.assistants[name], described)
            claims.append(
                intake.Claim(
                    kind="outcome",
                    prompt=prompt.pk,
                    assistant=name,
                    ritual=ritual,
                    score=float(self.rng.binomial(_RUNS, chance)) / _RUNS,
                    runs=_RUNS,
                    key=f"demo:market:{act.day}:{n}",
                    occurred_at=self.at(act) - timedelta(hours=len(act.assistants) - n),
                )
            )
        self._record(claims, act)
        self.market.settle(prompt_ids={prompt.pk}, now=self.at(act) + timedelta(minutes=1))

    def _record(self, claims: Sequence[intake.Claim], act: acts.Act) -> None:
        receipt = intake.record(
            caller=self.caller(act), claims=claims, source=SOURCE, now=self.at(act)
        )
        self.events += receipt.recorded

    @play.register
    def _(self, act: acts.Rating) -> None:
        felt = self.world.rating(self.described[act.prompt], day=act.day, leniency=0.0)
        receipt = self.market.rate(
            caller=self.caller(act),
            prompt=self.prompt(act.prompt),
            stars=1 + round(4 * felt.score),
            tags=felt.tags,
            key=f"demo:market:{act.day}",
            now=self.at(act),
        )
        self.events += receipt.recorded

    @play.register
    def _(self, act: acts.Injection) -> None:
        self.market.inject(
            caller=self.caller(act),
            prompt=self.prompt(act.prompt),
            assistant=assistants.named(reference=act.assistant),
            slot=act.slot,
            variables=act.variables,
            override_reason=act.reason,
            now=self.at(act),
        )

    @play.register
    def _(self, act: acts.Fork) -> None:
        namespace, _, name = act.line.partition("/")
        text, task = act.text.strip("\n"), self.described[act.parent].task
        child = self.market.fork(
            caller=self.caller(act),
            parent=self.prompt(act.parent),
            draft=ForkDraft(
                namespace=namespace,
                name=name,
                text=text,
                title=f"{act.title} (simulated)",
                changes=act.changes,
                tags=tags(task=task, text=text),
            ),
            team=Team.objects.get(name=act.team),
            now=self.at(act),
        )
        self.described[child.reference] = fleet.Prompt(
            line=act.line,
            revision=child.revision,
            team=act.team,
            task=task,
            text=text,
            effect=act.effect,
            parent=act.parent,
        )


def _limit(tokens: str) -> int:
    return 0 if tokens == "0" else money.micro(tokens)
