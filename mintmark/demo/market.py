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
from mintmark.common import amounts
from mintmark.integrations.import_report import Progress
from mintmark.market import prompt_sets
from mintmark.market.forks import ForkDraft
from mintmark.market.listings import ListingOffer, WarrantyTerms
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import PromptTokenListing
from mintmark.market.purchases import PurchaseResult
from mintmark.registry import assistants, prompts, rituals
from mintmark.registry.models import Prompt
from mintmark.tokens import wallets
from mintmark.tokens.models import Transfer
from mintmark.trust import intake

from . import evidence, fleet, market_script
from .loading import SIMULATED, SOURCE, build_tags

WALLET_MICRO = 100 * amounts.MICRO_PER_TOKEN
"""What everybody begins with, whatever the opening grant is here."""
VISITOR_MICRO = 100 * amounts.MICRO_PER_TOKEN
_RUNS = 8
_PERCENT = 100
_SEED = 11


@dataclass(frozen=True, kw_only=True)
class PlayedMarket:
    """What one playing added: listings, purchases, events; all 0 where all was there."""

    listings: int
    purchases: int
    events: int


def play_market(
    *,
    described: fleet.Fleet,
    console: Caller,
    visitor: User,
    start: datetime,
    now: datetime,
    progress: Progress = lambda index, total: None,
) -> PlayedMarket:
    """Play the market of the fleet's last thirty days, and fill the visitor's wallet at `now`: all of it, or nothing.

    `start` is when the ninety days began. On PostgreSQL its evidence is yet to be folded.
    """
    with transaction.atomic():
        if Transfer.objects.filter(
            key=f"mint:{console.principal.pk}:{_build_key(visitor)}"
        ).exists():
            return PlayedMarket(listings=0, purchases=0, events=0)
        stage = _Playback(described, console=console, start=start)
        actions = market_script.read_actions()
        for index, action in enumerate(actions):
            stage.play(action)
            progress(index + 1, len(actions))
        guest = callers.from_user(user=visitor).principal
        stage.fill_wallet(guest, now=now)
        wallets.mint(
            caller=console,
            recipient=guest,
            amount_micro=VISITOR_MICRO,
            reason="to try the market with (simulated)",
            idempotency_key=_build_key(visitor),
            now=now,
        )
        stage.market.refresh_scores(now=now)
    return PlayedMarket(listings=stage.listings, purchases=stage.purchases, events=stage.events)


def _build_key(visitor: User) -> str:
    return f"demo:{visitor.get_username()}"


class _Playback:
    """Where the acts are played: the marketplace, its people, and the truth about prompts."""

    def __init__(self, described: fleet.Fleet, *, console: Caller, start: datetime) -> None:
        self.market = SymbolicPromptTokenMarketplace()
        self.console = console
        self.start = start
        self.listings = self.purchases = self.events = 0
        self.world = evidence.Simulation(described, np.random.default_rng(evidence.SEED))
        # The world's own dice are thrown by the fleet; these fall the same, whatever is added there.
        self.rng = self.world.rng = np.random.default_rng(_SEED)
        self.assistants = {assistant.name: assistant for assistant in described.assistants}
        self.described = {prompt.reference: prompt for prompt in described.prompts}
        self.stored: dict[str, Prompt] = {}
        self.people: dict[str, Caller] = {}

    def get_time(self, action: market_script.ScriptedAction) -> datetime:
        return self.start + timedelta(days=action.day)

    def get_prompt(self, reference: str) -> Prompt:
        if reference not in self.stored:
            self.stored[reference] = prompts.resolve(reference=reference)
        return self.stored[reference]

    def get_caller(self, action: market_script.ScriptedAction) -> Caller:
        """Who acts; the wallet of a person is filled the first time."""
        if action.who not in self.people:
            if action.who in self.assistants:
                principal = assistants.resolve(reference=action.who).principal
                self.people[action.who] = Caller(
                    principal=principal,
                    scopes=frozenset({"market"}),
                    roles=frozenset(),
                    team_ids=frozenset({principal.team_id} if principal.team_id else ()),
                )
            else:
                person = callers.from_user(user=User.objects.get(username=action.who))
                self.fill_wallet(person.principal, now=self.get_time(action))
                self.people[action.who] = person
        return self.people[action.who]

    def fill_wallet(self, principal: Principal, *, now: datetime) -> None:
        """Open a wallet; where the opening grant is small, issue what it lacks."""
        lacking = WALLET_MICRO - wallets.get_or_open(principal=principal, now=now).balance_micro
        if lacking > 0:
            wallets.mint(
                caller=self.console,
                recipient=principal,
                amount_micro=lacking,
                reason="instead of an opening grant (simulated)",
                idempotency_key=f"demo:opening:{principal.pk}",
                now=now,
            )

    @singledispatchmethod
    def play(self, action: market_script.ScriptedAction) -> None:
        raise TypeError(f"nobody knows how to play {action}")

    @play.register
    def _(self, action: market_script.MandateAction) -> None:
        self.market.set_mandate(
            caller=self.get_caller(action),
            assistant=assistants.resolve(reference=action.assistant),
            per_purchase_micro=_parse_limit(action.per_purchase),
            per_day_micro=_parse_limit(action.per_day),
            trust_floor=action.trust_floor,
            now=self.get_time(action),
        )

    @play.register
    def _(self, action: market_script.GiftAction) -> None:
        wallets.give(
            caller=self.get_caller(action),
            recipient=assistants.resolve(reference=action.to).principal,
            amount_micro=amounts.to_micro(action.tokens),
            memo=action.memo,
            idempotency_key=f"demo:{action.to}",
            now=self.get_time(action),
        )

    @play.register
    def _(self, action: market_script.MintAction) -> None:
        wallets.mint(
            caller=self.console,
            recipient=self.get_caller(action).principal,
            amount_micro=amounts.to_micro(action.tokens),
            reason=action.reason,
            idempotency_key=f"demo:budget:{action.who}",
            now=self.get_time(action),
        )

    @play.register
    def _(self, action: market_script.ListingAction) -> None:
        promised = action.warranty
        self.market.list_prompt(
            caller=self.get_caller(action),
            offer=ListingOffer(
                prompt=self.get_prompt(action.prompt),
                token_cost=action.tokens,
                preview=action.preview,
                royalty_bp=action.royalty * _PERCENT,
                max_discount_bp=action.max_discount * _PERCENT,
                warranty=WarrantyTerms(
                    ritual=rituals.resolve(reference=promised.ritual),
                    floor=promised.floor,
                    runs=promised.runs,
                    days=promised.days,
                )
                if promised
                else None,
            ),
            now=self.get_time(action),
        )
        self.listings += 1

    @play.register
    def _(self, action: market_script.PromptSetAction) -> None:
        self.market.create_prompt_set(
            caller=self.get_caller(action),
            team=Team.objects.get(name=action.team),
            name=action.name,
            title=action.title,
            prompts=[self.get_prompt(reference) for reference in action.prompts],
            description=f"{action.description} {SIMULATED}",
            discount_bp=action.discount * _PERCENT,
            now=self.get_time(action),
        )

    @play.register
    def _(self, action: market_script.PurchaseAction) -> None:
        caller = self.get_caller(action)
        key = f"demo:{action.day}"
        if action.set:
            prompt_set = prompt_sets.get_prompt_set(reference=action.set)
            quote = prompt_sets.build_quote(prompt_set=prompt_set, team_id=caller.principal.team_id)
            result = self.market.buy(
                caller=caller, prompt_set=prompt_set, price_micro=quote.total_micro, idempotency_key=key,
                now=self.get_time(action),
            )  # fmt: skip
        else:
            listing = PromptTokenListing.objects.get(
                prompt=self.get_prompt(action.prompt), withdrawn_at__isnull=True
            )
            result = self.market.buy(
                caller=caller, listing=listing.pk, price_micro=listing.price_micro, idempotency_key=key,
                now=self.get_time(action),
            )  # fmt: skip
        # What an assistant may not buy by itself is a request.
        self.purchases += len(result.items) if isinstance(result, PurchaseResult) else 0

    @play.register
    def _(self, action: market_script.TrialAction) -> None:
        prompt = self.get_prompt(action.prompt)
        described = self.described[action.prompt]
        ritual = self.world.fleet.ritual_by_task[described.task].name
        claims = []
        for n, name in enumerate(action.assistants):
            chance = self.world.compute_pass_chance(self.assistants[name], described)
            claims.append(
                intake.EvidenceClaim(
                    kind="outcome",
                    prompt=prompt.pk,
                    assistant=name,
                    ritual=ritual,
                    score=float(self.rng.binomial(_RUNS, chance)) / _RUNS,
                    runs=_RUNS,
                    key=f"demo:market:{action.day}:{n}",
                    occurred_at=self.get_time(action) - timedelta(hours=len(action.assistants) - n),
                )
            )
        self._record_evidence(claims, action)

    def _record_evidence(
        self, claims: Sequence[intake.EvidenceClaim], action: market_script.ScriptedAction
    ) -> None:
        receipt = self.market.record_evidence(
            caller=self.get_caller(action), claims=claims, source=SOURCE, now=self.get_time(action)
        )
        self.events += receipt.recorded

    @play.register
    def _(self, action: market_script.RatingAction) -> None:
        felt = self.world.simulate_rating(
            self.described[action.prompt], day=action.day, leniency=0.0
        )
        receipt = self.market.rate(
            caller=self.get_caller(action),
            prompt=self.get_prompt(action.prompt),
            stars=1 + round(4 * felt.score),
            tags=felt.tags,
            idempotency_key=f"demo:market:{action.day}",
            now=self.get_time(action),
        )
        self.events += receipt.recorded

    @play.register
    def _(self, action: market_script.InjectionAction) -> None:
        self.market.inject(
            caller=self.get_caller(action),
            prompt=self.get_prompt(action.prompt),
            assistant=assistants.resolve(reference=action.assistant),
            slot=action.slot,
            variables=action.variables,
            override_reason=action.reason,
            now=self.get_time(action),
        )

    @play.register
    def _(self, action: market_script.ForkAction) -> None:
        namespace, _, name = action.line.partition("/")
        text, task = action.text.strip("\n"), self.described[action.parent].task
        child = self.market.fork(
            caller=self.get_caller(action),
            parent=self.get_prompt(action.parent),
            draft=ForkDraft(
                namespace=namespace,
                name=name,
                text=text,
                title=f"{action.title} (simulated)",
                changes=action.changes,
                tags=build_tags(task=task, text=text),
            ),
            team=Team.objects.get(name=action.team),
            now=self.get_time(action),
        )
        self.described[child.reference] = fleet.FleetPrompt(
            line=action.line,
            revision=child.revision,
            team=action.team,
            task=task,
            text=text,
            effect=action.effect,
            parent=action.parent,
        )


def _parse_limit(tokens: str) -> int:
    return 0 if tokens == "0" else amounts.to_micro(tokens)
