"""Both at once: each verb asked of the market and of its model, which do it alike or refuse it with one code."""

import copy
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from fractions import Fraction
from typing import Any

from django.db import connection

from mintmark.accounts import callers, keys
from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Membership, Role, Team
from mintmark.common import amounts, errors
from mintmark.deployments import models as deployment_models
from mintmark.deployments.models import Injection
from mintmark.market import audit as market_audit
from mintmark.market import listings
from mintmark.market.forks import ForkDraft
from mintmark.market.listings import ListingOffer, WarrantyTerms
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import PromptSet, Purchase, PurchaseRequest
from mintmark.market.policy import MarketPolicy
from mintmark.market.purchases import PurchaseResult
from mintmark.registry import assistants, prompts, rituals
from mintmark.registry.models import Assistant, Prompt
from mintmark.tokens import audit as tokens_audit
from mintmark.tokens import wallets
from mintmark.trust import intake
from mintmark.trust.intake import EvidenceClaim
from tests.factories.cast import NOW, person, vouch_for

from . import model_harness as models
from .model_harness import ESCROW, ISSUANCE, TREASURY, Model, Refused, Who

TEAMS = {"aces": ("ada",), "bees": ("ben", "dan"), "cats": ("cyd", "dan")}
TRADERS = ("ada", "ben", "cyd", "dan")
PEOPLE = (*TRADERS, "eve", "root")  # in no team: a stranger and an admin
BOTS = {"bot": "bees", "bit": "cats"}
EVERYBODY = (*PEOPLE, *BOTS)

_BOUGHT = """
SELECT purchase.prompt_id, purchase.team_id, listing_id, buyer_id, price_micro,
    CASE WHEN entitlement.ended_at IS NULL THEN 1 ELSE 0 END, state
FROM market_purchase AS purchase
JOIN registry_entitlement AS entitlement
    ON entitlement.id = entitlement_id AND entitlement.prompt_id = purchase.prompt_id
    AND entitlement.team_id = purchase.team_id
JOIN tokens_transfer AS transfer ON transfer.id = purchase.transfer_id AND transfer.cause = 'purchase'
LEFT JOIN market_warranty AS warranty ON warranty.purchase_id = purchase.id
ORDER BY purchase.id
"""
_OTHERWISE = """
SELECT 'entries', (SELECT coalesce(sum(amount_micro), 0) FROM tokens_entry), 0, '0'
UNION ALL SELECT 'transfers', (SELECT count(*) FROM tokens_transfer), 0, '0'
UNION ALL SELECT 'rights', (SELECT count(*) FROM registry_entitlement WHERE ended_at IS NULL), 0, '0'
UNION ALL SELECT 'injection', prompt_id, id, slot FROM market_injection WHERE ended_at IS NULL
UNION ALL SELECT 'listing', prompt_id, id, cast(round(token_cost * 1000000) AS bigint) || ''
    FROM market_prompttokenlisting WHERE withdrawn_at IS NULL
UNION ALL SELECT 'request', buyer_id, 0, state FROM market_purchaserequest
"""


class Trade:
    """Three teams that own a text each, and go on from there; `copied()` begins anew once the database was rolled back.
    `model` is what everything has to be, `told` counts how the verbs ended so far.
    """

    def __init__(self) -> None:
        self.market = SymbolicPromptTokenMarketplace(MarketPolicy(fee_bp=500))
        self.model = Model(now=NOW)
        self.told: Counter[str] = Counter()
        self.keys_used = 0
        self.ritual = rituals.register(name="trial", tag="task:trial")
        self.teams = {name: Team.objects.create(name=name) for name in TEAMS}
        people = {name: person(name) for name in PEOPLE}
        Membership.objects.create(user=people["root"], role=Role.ADMIN)
        for team, members in TEAMS.items():
            for name in members:
                for role in (Role.OPERATOR, Role.AUTHOR):
                    Membership.objects.create(user=people[name], role=role, team=self.teams[team])
        for user in people.values():
            vouch_for(user)
        self.callers = {name: callers.from_user(user=user) for name, user in people.items()}
        self.bots = {name: self._assistant(name, team) for name, team in BOTS.items()}
        self.runners = {
            team.pk: self._assistant(f"runner-{name}", name) for name, team in self.teams.items()
        }
        for name, bot in self.bots.items():
            key = keys.issue(principal=bot.principal, scopes=["market"]).key
            self.callers[name] = callers.from_key(key=key)
        self.who = {name: _who(caller) for name, caller in self.callers.items()}
        self.names = {who.pk: name for name, who in self.who.items()}
        for author in ("ada", "ben", "cyd"):
            self._write(author)
        # Whoever may buy has a wallet: when a refused purchase opens one is nobody's concern.
        for name in (*TRADERS, "root"):
            wallets.get_or_open(principal=self.callers[name].principal, now=NOW)
            self.model.open(self.who[name])

    def copied(self) -> "Trade":
        """The same trade as it stands, to be gone on with by itself."""
        mine = copy.copy(self)
        mine.model = copy.deepcopy(self.model)
        return mine

    # Offers

    def list_(
        self, who: str, *, text: int, price: int, licence: str = "MIT", royalty_bp: int = 0, discount_bp: int = 0,
        days: int | None = None,
    ) -> None:  # fmt: skip
        warranty = WarrantyTerms(ritual=self.ritual, floor=0.5, runs=5, days=days) if days else None
        self._both(
            lambda: self.market.list_prompt(
                caller=self.callers[who],
                offer=ListingOffer(
                    prompt=_prompt(text), token_cost=amounts.to_tokens(price), licence=licence, royalty_bp=royalty_bp,
                    max_discount_bp=discount_bp, warranty=warranty,
                ),
                now=self.model.now,
            ),
            lambda made: self.model.list_(
                self.who[who], pk=_pk(made), text=text, price=price, licence=licence, royalty_bp=royalty_bp,
                discount_bp=discount_bp, warranty_days=days,
            ),
        )  # fmt: skip

    def reprice(self, who: str, *, listing: int, price: int) -> None:
        self._both(
            lambda: self.market.reprice(
                caller=self.callers[who],
                listing=listings.get_listing(pk=listing),
                token_cost=amounts.to_tokens(price),
            ),
            lambda _: self.model.reprice(self.who[who], listing=listing, price=price),
        )

    def withdraw(self, who: str, *, listing: int) -> None:
        self._both(
            lambda: self.market.withdraw_listing(
                caller=self.callers[who],
                listing=listings.get_listing(pk=listing),
                reason="no more",
                now=self.model.now,
            ),
            lambda _: self.model.withdraw(self.who[who], listing=listing),
        )

    def curate(
        self, who: str, *, team: str, name: str, texts: Sequence[int], discount_bp: int
    ) -> None:
        its = self.teams[team]
        self._both(
            lambda: self.market.create_prompt_set(
                caller=self.callers[who], team=its, name=name, title=name, prompts=[_prompt(pk) for pk in texts],
                discount_bp=discount_bp, now=self.model.now,
            ),
            lambda made: self.model.curate(
                self.who[who], pk=_pk(made), team=its.pk, name=name, texts=texts, discount_bp=discount_bp
            ),
        )  # fmt: skip

    def withdraw_set(self, who: str, *, prompt_set: int) -> None:
        self._both(
            lambda: self.market.withdraw_prompt_set(
                caller=self.callers[who], prompt_set=_set(prompt_set), now=self.model.now
            ),
            lambda _: self.model.withdraw_set(self.who[who], prompt_set=prompt_set),
        )

    # Purchases

    def buy(
        self, who: str, *, price: int, listing: int | None = None, prompt_set: int | None = None,
        team: str | None = None, key: str = "",
    ) -> None:  # fmt: skip
        """Buy under a key, or a new one."""
        key = key or self._key()
        told, expected = self._both(
            lambda: self.market.buy(
                caller=self.callers[who], listing=listing, price_micro=price, idempotency_key=key, now=self.model.now,
                prompt_set=_set(prompt_set) if prompt_set is not None else None,
                team=self.teams[team] if team else None,
            ),
            lambda _: self.model.buy(
                self.who[who], listing=listing, prompt_set=prompt_set, price=price, key=key,
                team=self.teams[team].pk if team else None,
            ),
        )  # fmt: skip
        if isinstance(told, PurchaseResult):
            assert ("new" if told.is_new else "again", told.total_micro) == (expected, price)
        elif told is not None:
            assert told.state == expected

    def confirm(self, who: str, *, bot: str, key: str) -> None:
        self._both(
            lambda: self.market.confirm_request(
                caller=self.callers[who], request=self._request(bot, key), now=self.model.now
            ),
            lambda _: self.model.confirm(self.who[who], buyer=self.who[bot], key=key),
        )

    def decline(self, who: str, *, bot: str, key: str) -> None:
        self._both(
            lambda: self.market.decline_request(
                caller=self.callers[who], request=self._request(bot, key), now=self.model.now
            ),
            lambda _: self.model.decline(self.who[who], buyer=self.who[bot], key=key),
        )

    def give_mandate(self, who: str, *, bot: str, once: int, day: int, trust: int) -> None:
        self._both(
            lambda: self.market.set_mandate(
                caller=self.callers[who], assistant=self.bots[bot], per_purchase_micro=once, per_day_micro=day,
                trust_floor=float(trust), now=self.model.now,
            ),
            lambda _: self.model.give_mandate(
                self.who[who], bot=self.who[bot], limits=(once, day), trust=trust
            ),
        )  # fmt: skip

    # Warranties, and what ends rights

    def measure(self, who: str, *, text: int, team: int, quarters: int, runs: int) -> None:
        """An outcome of so many quarters, by an assistant of a team; then whatever it settles."""
        claim = EvidenceClaim(
            kind="outcome", prompt=text, assistant=self.runners[team].pk, ritual=self.ritual.pk,
            score=quarters / 4, runs=runs, key=self._key(),
        )  # fmt: skip
        self._both(
            lambda: intake.record(
                caller=self.callers[who], claims=[claim], source="test", now=self.model.now
            ),
            lambda _: self.model.record(
                self.who[who], text=text, team=team, score=Fraction(quarters, 4), runs=runs
            ),
        )
        self.settle()

    def wait(self, *, hours: int) -> None:
        """Let time pass; then whatever that settles."""
        self.model.now += timedelta(hours=hours)
        self.settle()

    def settle(self) -> None:
        settled = self.market.decide_due_warranties(now=self.model.now)
        assert len(settled) == self.model.settle()

    def revoke(self, who: str, *, purchase: models.Purchase) -> None:
        n = next(n for n, one in enumerate(self.model.purchases) if one is purchase)
        self._both(
            lambda: self.market.revoke_entitlement(
                caller=self.callers[who],
                entitlement=Purchase.objects.order_by("id")[n].entitlement,
                reason="abused",
                now=self.model.now,
            ),
            lambda _: self.model.revoke(self.who[who], purchase=purchase),
        )

    def entomb(self, who: str, *, text: int) -> None:
        self._both(
            lambda: self.market.withdraw_permanently(
                caller=self.callers[who], prompt=_prompt(text), reason="harmful", now=self.model.now
            ),
            lambda _: self.model.entomb(self.who[who], text=text),
        )

    # Forks, injections, ratings

    def fork(self, who: str, *, parent: int, team: str, licence: str = "") -> None:
        its, n = self.teams[team], self._key()
        draft = ForkDraft(
            namespace=team, name=f"fork-{n}", text=f"Fork {n}.", changes=["@clarity+"], licence=licence
        )  # fmt: skip
        self._both(
            lambda: self.market.fork(
                caller=self.callers[who], parent=_prompt(parent), draft=draft, team=its, now=self.model.now
            ),
            lambda made: self.model.fork(
                self.who[who], pk=_pk(made), parent=parent, team=its.pk, licence=licence
            ),
        )  # fmt: skip

    def inject(self, who: str, *, bot: str, text: int, slot: str, reason: str) -> None:
        self._both(
            lambda: self.market.inject(
                caller=self.callers[who], prompt=_prompt(text), assistant=self.bots[bot], slot=slot,
                override_reason=reason, now=self.model.now,
            ),
            lambda made: self.model.inject(
                self.who[who], pk=_pk(made), text=text, bot=self.who[bot], slot=slot, reason=reason
            ),
        )  # fmt: skip

    def withdraw_injection(self, who: str, *, injection: deployment_models.Injection) -> None:
        self._both(
            lambda: self.market.withdraw_injection(
                caller=self.callers[who],
                injection=Injection.objects.get(pk=injection.pk),
                reason="done",
                now=self.model.now,
            ),
            lambda _: self.model.withdraw_injection(self.who[who], injection=injection),
        )

    def rate(self, who: str, *, text: int, stars: int) -> None:
        key = self._key()
        self._both(
            lambda: self.market.rate(
                caller=self.callers[who], prompt=_prompt(text), stars=stars, idempotency_key=key, now=self.model.now
            ),
            lambda _: self.model.rate(self.who[who], text=text),
        )  # fmt: skip

    # Tokens

    def give(
        self, who: str, *, to: str, amount: int, source: str | None = None, key: str = ""
    ) -> None:
        key = key or self._key()
        told, expected = self._both(
            lambda: wallets.give(
                caller=self.callers[who], recipient=self.callers[to].principal, amount_micro=amount, memo="",
                idempotency_key=key, source=self.callers[source].principal if source else None, now=self.model.now,
            ),
            lambda _: self.model.give(
                self.who[who], to=self.who[to], amount=amount, key=key, source=self.who[source] if source else None
            ),
        )  # fmt: skip
        assert told is None or expected == ("new" if told.is_new else "again")

    def mint(self, who: str, *, to: str, amount: int, key: str = "") -> None:
        key = key or self._key()
        told, expected = self._both(
            lambda: wallets.mint(
                caller=self.callers[who], recipient=self.callers[to].principal, amount_micro=amount, reason="a prize",
                idempotency_key=key, now=self.model.now,
            ),
            lambda _: self.model.mint(self.who[who], to=self.who[to], amount=amount, key=key),
        )  # fmt: skip
        assert told is None or expected == ("new" if told.is_new else "again")

    # What holds

    def check(self) -> None:
        """Everything in the database is where the model has it."""
        held: Counter[int | str] = Counter()
        for pk, kind, balance in _rows("SELECT id, kind, balance_micro FROM tokens_account"):
            held[pk if kind == "wallet" else kind] += balance
        expected = self.model.balances
        assert {a: n for a, n in held.items() if n} == {a: n for a, n in expected.items() if n}
        assert sum(held.values()) == 0
        assert all(amount >= 0 for account, amount in held.items() if account != ISSUANCE)
        assert held[ESCROW] == sum(p.price for p in self.model.purchases if p.state == "open")
        assert held[TREASURY] >= 0
        assert _rows(_BOUGHT) == [
            (p.text, p.team, p.listing, p.buyer, p.price, int(p.is_live), p.state)
            for p in self.model.purchases
        ]
        otherwise: list[tuple[str, int, int, str]] = [
            ("entries", 0, 0, "0"),
            ("transfers", self.model.transfers, 0, "0"),
            ("rights", sum(p.is_live for p in self.model.purchases), 0, "0"),
        ]
        otherwise += [("injection", i.text, i.pk, i.slot) for i in self.model.injections]
        otherwise += [
            ("listing", one.text, pk, str(one.price))
            for pk, one in self.model.listings.items()
            if one.stands
        ]
        otherwise += [("request", who, 0, r.state) for (who, _), r in self.model.requests.items()]
        assert sorted(_rows(_OTHERWISE)) == sorted(otherwise)

    def audit(self) -> None:
        """What an auditor would run finds nothing."""
        for finding in (*tokens_audit.audit(), *market_audit.audit()):
            assert not finding.broken, f"{finding.code}: {finding.broken}"

    def _both(self, real: Callable[[], Any], expected: Callable[[Any], Any]) -> tuple[Any, Any]:
        """Ask the market, then the model; what each said (None where it refused)."""
        refused = meant = told = said = None
        try:
            told = real()
        except errors.DomainError as refusal:
            refused = refusal.code
        try:
            said = expected(told)
        except Refused as refusal:
            meant = refusal.code
        assert refused == meant, f"the market said {refused or told}, the model {meant or said}"
        self.told[refused or "done"] += 1
        return told, said

    def _key(self) -> str:
        self.keys_used += 1
        return f"k{self.keys_used}"

    def _request(self, bot: str, key: str) -> PurchaseRequest:
        return PurchaseRequest.objects.get(buyer=self.who[bot].pk, key=key)

    def _assistant(self, name: str, team: str) -> Assistant:
        owner = self.callers[TEAMS[team][0]].principal
        return assistants.register(name=name, owner=owner, team=self.teams[team])

    def _write(self, author: str) -> None:
        principal = self.callers[author].principal
        team = principal.team
        assert team is not None
        draft = prompts.PromptDraft(namespace=team.name, name="root", text=f"The root of {team}.")
        made = prompts.register(draft=draft, author=principal, team=team)
        self.model.texts[made.pk] = models.Text(team=team.pk, author=principal.pk)


def _who(caller: Caller) -> Who:
    return Who(
        pk=caller.principal.pk,
        teams=caller.team_ids,
        own=caller.principal.team_id,
        is_admin=caller.is_admin,
        is_assistant=caller.is_assistant,
    )


def _pk(made: Any) -> int:
    """The id of what the market made; -1 where it refused."""
    return made.pk if made is not None else -1


def _prompt(pk: int) -> Prompt:
    return Prompt.objects.select_related("team").get(pk=pk)


def _set(pk: int) -> PromptSet:
    return PromptSet.objects.get(pk=pk)


def _rows(sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return [tuple(row) for row in cursor.fetchall()]
