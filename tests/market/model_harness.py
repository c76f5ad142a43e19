"""The market as one would explain it at a table: wallets, listings, rights and escrow, in exact integers.

It shares no code with the market. Its verbs are given the ids that the market chose, change the model, and raise
`Refused` with the code that the market has to give, having changed nothing.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

TREASURY, ESCROW, ISSUANCE = "treasury", "escrow", "issuance"
GRANT = 100_000_000
FEE, ROYALTIES_AT_MOST = Fraction(5, 100), Fraction(50, 100)
ALL_RIGHTS_RESERVED = "LicenseRef-All-Rights-Reserved"
# Whether forks are allowed, whether they may be sold, whether they keep the licence.
LICENCES = {
    "MIT": (True, True, False),
    "CC-BY-SA-4.0": (True, True, True),
    "CC-BY-NC-4.0": (True, False, False),
    ALL_RIGHTS_RESERVED: (False, False, True),
}
WARRANTY_FLOOR, WARRANTY_RUNS = Fraction(1, 2), 5

type Account = int | str
type Parts = tuple[tuple[Account, int], ...]


class Refused(Exception):
    """What the market has to refuse with this code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Who:
    """A caller: his principal's id, the teams in which he is author and operator, and the one he buys for unasked."""

    pk: int
    teams: frozenset[int] = frozenset()
    own: int | None = None
    is_admin: bool = False
    is_assistant: bool = False

    def may(self, team: int) -> bool:
        return self.is_admin or (team in self.teams and not self.is_assistant)


@dataclass
class Text:
    """A prompt: what its own sale owes to whom, if it is another team's fork."""

    team: int
    author: int
    parent: int | None = None
    licence: str = ""
    owes: tuple[int, int] | None = None
    is_entombed: bool = False


@dataclass
class Listing:
    text: int
    price: int
    seller: int
    licence: str
    royalty_bp: int
    discount_bp: int
    warranty_days: int | None
    stands: bool = True


@dataclass
class PromptSet:
    team: int
    texts: tuple[int, ...]
    discount_bp: int
    stands: bool = True


@dataclass
class Purchase:
    """A right of a team, and what waits in escrow for it: `state` is None where nothing does."""

    text: int
    team: int
    listing: int
    buyer: int
    price: int
    at: datetime
    parts: Parts
    state: str | None
    is_live: bool = True


@dataclass
class Request:
    """What an assistant asked a person to buy."""

    asked: tuple[Any, ...]
    state: str = "waiting"


@dataclass
class Outcome:
    text: int
    team: int
    score: Fraction
    runs: int
    at: datetime


@dataclass
class Injection:
    pk: int
    text: int
    assistant: int
    team: int
    slot: str


@dataclass
class Model:
    now: datetime
    texts: dict[int, Text] = field(default_factory=dict)
    listings: dict[int, Listing] = field(default_factory=dict)
    sets: dict[int, PromptSet] = field(default_factory=dict)
    set_names: set[str] = field(default_factory=set)
    wallets: set[int] = field(default_factory=set)
    balances: Counter[Account] = field(default_factory=Counter)
    transfers: int = 0
    purchases: list[Purchase] = field(default_factory=list)
    asked: dict[tuple[str, int, str], tuple[Any, ...]] = field(default_factory=dict)
    requests: dict[tuple[int, str], Request] = field(default_factory=dict)
    limits: dict[int, tuple[int, int]] = field(default_factory=dict)
    trust_floors: dict[int, int] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    injections: list[Injection] = field(default_factory=list)

    # Offers

    def list_(
        self, who: Who, *, pk: int, text: int, price: int, licence: str = "", royalty_bp: int = 0,
        discount_bp: int = 0, warranty_days: int | None = None,
    ) -> None:  # fmt: skip
        own = self.texts[text]
        _unless(who.may(own.team), "forbidden")
        _unless(price > 0, "invalid_amount")
        _unless(not (own.licence and licence not in ("", own.licence)), "invalid_listing")
        _unless(not own.is_entombed and royalty_bp <= 5_000, "invalid_listing")
        for ancestor in self._ancestors(text):
            if self.texts[ancestor].team != own.team:
                _unless(self._terms(ancestor, own.team)[1], "licence_forbids")
        self.open(who)
        _unless(self.standing(text) is None, "already_listed")
        self.listings[pk] = Listing(
            text=text, price=price, seller=who.pk, royalty_bp=royalty_bp, discount_bp=discount_bp,
            licence=licence or own.licence or ALL_RIGHTS_RESERVED, warranty_days=warranty_days,
        )  # fmt: skip

    def reprice(self, who: Who, *, listing: int, price: int) -> None:
        offered = self.listings[listing]
        _unless(who.may(self.texts[offered.text].team), "forbidden")
        _unless(price > 0, "invalid_amount")
        _unless(offered.stands, "invalid_listing")
        offered.price = price

    def withdraw(self, who: Who, *, listing: int) -> None:
        offered = self.listings[listing]
        _unless(who.may(self.texts[offered.text].team), "forbidden")
        offered.stands = False

    def curate(
        self, who: Who, *, pk: int, team: int, name: str, texts: Sequence[int], discount_bp: int
    ) -> None:
        _unless(who.may(team), "forbidden")
        _unless(name not in self.set_names and len(set(texts)) == len(texts), "invalid_prompt_set")
        made = PromptSet(team=team, texts=tuple(texts), discount_bp=discount_bp)
        _unless(all(self._carried(made, text) for text in texts), "invalid_prompt_set")
        self.set_names.add(name)
        self.sets[pk] = made

    def withdraw_set(self, who: Who, *, prompt_set: int) -> None:
        _unless(who.may(self.sets[prompt_set].team), "forbidden")
        self.sets[prompt_set].stands = False

    def standing(self, text: int) -> int | None:
        """The listing under which a text is offered now."""
        return next(
            (pk for pk, one in self.listings.items() if one.text == text and one.stands), None
        )

    def price_of_set(self, prompt_set: int, team: int) -> int:
        """What the set would cost a team now; what is not offered counts nothing."""
        return sum(paid for _, paid in self._lines(prompt_set, team) if paid)

    # Purchases

    def buy(
        self, who: Who, *, team: int | None, listing: int | None = None, prompt_set: int | None = None, price: int,
        key: str,
    ) -> str:  # fmt: skip
        """'new', 'again', or 'waiting' (or how it was decided) where an assistant had to ask."""
        team = team if team is not None else who.own
        _unless(team is not None, "forbidden")
        assert team is not None
        if not who.is_assistant:
            _unless(who.may(team), "forbidden")
            return self._buy(who, team, listing, prompt_set, price, key, limits=None)
        _unless(team == who.own, "forbidden")
        wanted = (listing, prompt_set, price)
        known = self.requests.get((who.pk, key))
        if known is not None:
            _unless(known.asked == wanted, "idempotency_key_reused")
            return known.state
        try:
            limits = self.limits.get(who.pk, (0, 0))
            return self._buy(who, team, listing, prompt_set, price, key, limits=limits)
        except Refused as refused:
            if refused.code != "over_limit":
                raise
        self.requests[who.pk, key] = Request(wanted)
        return "waiting"

    def confirm(self, who: Who, *, buyer: Who, key: str) -> str:
        request = self._to_decide(who, buyer, key)
        assert buyer.own is not None
        done = self._buy(buyer, buyer.own, *request.asked, key, limits=None)
        request.state = "confirmed"
        return done

    def decline(self, who: Who, *, buyer: Who, key: str) -> None:
        self._to_decide(who, buyer, key).state = "declined"

    def give_mandate(self, who: Who, *, bot: Who, limits: tuple[int, int], trust: int) -> None:
        _unless(bot.own is not None and who.may(bot.own), "forbidden")
        self.limits[bot.pk], self.trust_floors[bot.pk] = limits, trust

    def _to_decide(self, who: Who, buyer: Who, key: str) -> Request:
        assert buyer.own is not None
        _unless(who.may(buyer.own), "forbidden")
        request = self.requests[buyer.pk, key]
        _unless(request.state == "waiting", "already_decided")
        return request

    def _buy(
        self, who: Who, team: int, listing: int | None, prompt_set: int | None, price: int, key: str, *,
        limits: tuple[int, int] | None,
    ) -> str:  # fmt: skip
        name, asked = ("buy", who.pk, key), (team, listing, prompt_set, price)
        if name in self.asked:
            _unless(self.asked[name] == asked, "idempotency_key_reused")
            return "again"
        lines = [(listing, price)] if listing is not None else self._wanted(prompt_set, team)
        total = sum(paid for _, paid in lines)
        for one, paid in lines:
            offered = self.listings[one]
            changed = not offered.stands or (listing is not None and offered.price != paid)
            _unless(not changed and total == price, "price_changed")
            _unless(self.texts[offered.text].team != team, "already_owned")
            _unless(offered.seller != who.pk, "already_owned")
        _unless(limits is None or total <= limits[0], "over_limit")
        self.open(who)

        moves, made = Counter[Account]({who.pk: -total}), []
        for one, paid in lines:
            offered = self.listings[one]
            had_one = any(
                (p.text, p.team) == (offered.text, team) and p.state is not None
                for p in self.purchases
            )
            parts = self._parts(offered, paid)
            waits = offered.warranty_days is not None and not had_one
            for account, part in [(ESCROW, paid)] if waits else parts:
                moves[account] += part
            made.append(
                Purchase(
                    text=offered.text, team=team, listing=one, buyer=who.pk, price=paid, at=self.now, parts=parts,
                    state="open" if waits else None,
                )
            )  # fmt: skip
        self._require_covered(moves)
        _unless(not any(self.right(p.text, team) for p in made), "already_owned")
        if limits is not None:
            day = self.now.replace(hour=0, minute=0, second=0, microsecond=0)
            spent = sum(p.price for p in self.purchases if p.buyer == who.pk and p.at >= day)
            _unless(spent + total <= limits[1], "over_limit")
        self._move(moves)
        self.purchases += made
        self.asked[name] = asked
        return "new"

    def _wanted(self, prompt_set: int | None, team: int) -> list[tuple[int, int]]:
        assert prompt_set is not None
        _unless(self.sets[prompt_set].stands, "invalid_prompt_set")
        lines = list(self._lines(prompt_set, team))
        _unless(all(listing is not None for listing, _ in lines), "invalid_prompt_set")
        _unless(bool(lines), "already_owned")
        return [(listing, paid) for listing, paid in lines if listing is not None]

    def _lines(self, prompt_set: int, team: int) -> Iterator[tuple[int | None, int]]:
        """What a team lacks of a set: the listings (None: not offered at the discount) and what each costs in it."""
        its = self.sets[prompt_set]
        for text in its.texts:
            if self.may_read(text, team):
                continue
            listing = self.standing(text) if self._carried(its, text) else None
            price = self.listings[listing].price if listing is not None else 0
            exact = Fraction(price * (10_000 - its.discount_bp), 10_000)
            yield listing, -int(-exact // 1)

    def _carried(self, prompt_set: PromptSet, text: int) -> bool:
        listing = self.standing(text)
        if listing is None:
            return False
        own = self.texts[text].team == prompt_set.team
        return own or prompt_set.discount_bp <= self.listings[listing].discount_bp

    def _parts(self, offered: Listing, price: int) -> Parts:
        """Fee, royalties from the nearest generation on, and the rest: exact shares, rounded by largest remainder."""
        shares: list[tuple[Account, Fraction]] = [(TREASURY, FEE)]
        left, capped = 1 - FEE, ROYALTIES_AT_MOST * (1 - FEE)
        for text in [offered.text, *self._ancestors(offered.text)]:
            owes = self.texts[text].owes
            if owes is not None:
                part = min(left * Fraction(owes[1], 10_000), capped)
                left, capped = left - part, capped - part
                shares.append((owes[0], part))
        shares.append((offered.seller, left))
        whole = [int(price * share) for _, share in shares]
        rests = [
            (price * share - part, n)
            for n, ((_, share), part) in enumerate(zip(shares, whole, strict=True))
        ]
        for _, n in sorted(rests, reverse=True)[: price - sum(whole)]:
            whole[n] += 1
        return tuple((account, part) for (account, _), part in zip(shares, whole, strict=True))

    # Warranties, and what ends rights

    def record(self, who: Who, *, text: int, team: int, score: Fraction, runs: int) -> None:
        _unless(who.may(team), "forbidden")
        self.outcomes.append(Outcome(text=text, team=team, score=score, runs=runs, at=self.now))

    def settle(self) -> int:
        """Pay out and give back what can be; how many."""
        settled = 0
        for purchase in self.purchases:
            verdict = self._verdict(purchase) if purchase.state == "open" else None
            if verdict is not None:
                self._settle(purchase, verdict)
                settled += 1
        return settled

    def revoke(self, who: Who, *, purchase: Purchase) -> None:
        _unless(who.is_admin, "forbidden")
        self._end(purchase)

    def entomb(self, who: Who, *, text: int) -> None:
        _unless(who.may(self.texts[text].team), "forbidden")
        if not who.is_admin and not self.texts[text].is_entombed:
            self._refund_sold(text)
        self.texts[text].is_entombed = True
        for listing in self.listings.values():
            listing.stands = listing.stands and listing.text != text
        self.injections = [one for one in self.injections if one.text != text]
        for purchase in self.purchases:
            if purchase.text == text and purchase.state == "open":
                self._settle(purchase, "failed")

    def _refund_sold(self, text: int) -> None:
        """The seller of each right that stands gives its price back, all at once."""
        moves = Counter[Account]()
        for purchase in self.purchases:
            seller = self.listings[purchase.listing].seller
            is_owed = purchase.text == text and purchase.is_live and purchase.state != "open"
            if is_owed and purchase.team != self.texts[text].team and purchase.buyer != seller:
                moves[seller] -= purchase.price
                moves[purchase.buyer] += purchase.price
        if moves:
            for account, amount in moves.items():
                _unless(amount >= 0 or self.balances[account] + amount >= 0, "insufficient_funds")
            self._move(moves)

    def _verdict(self, purchase: Purchase) -> str | None:
        days = self.listings[purchase.listing].warranty_days
        assert days is not None
        ends_at = purchase.at + timedelta(days=days)
        points, runs = Fraction(0), 0
        for outcome in self.outcomes:
            mine = (outcome.text, outcome.team) == (purchase.text, purchase.team)
            if mine and purchase.at <= outcome.at <= ends_at:
                points, runs = points + outcome.score * outcome.runs, runs + outcome.runs
                if runs >= WARRANTY_RUNS:
                    return "failed" if points / runs < WARRANTY_FLOOR else "kept"
        return "kept" if self.now >= ends_at else None

    def _settle(self, purchase: Purchase, state: str) -> None:
        moves = Counter[Account]({ESCROW: -purchase.price})
        for account, part in (
            [(purchase.buyer, purchase.price)] if state == "failed" else purchase.parts
        ):
            moves[account] += part
        self._move(moves)
        purchase.state = state
        if state == "failed":
            self._end(purchase)

    def _end(self, purchase: Purchase) -> None:
        if purchase.is_live:
            purchase.is_live = False
            gone = (purchase.text, purchase.team)
            self.injections = [one for one in self.injections if (one.text, one.team) != gone]

    def right(self, text: int, team: int) -> Purchase | None:
        """The purchase under which a team may use a text."""
        mine = (p for p in reversed(self.purchases) if (p.text, p.team) == (text, team))
        return next((p for p in mine if p.is_live), None)

    def may_read(self, text: int, team: int) -> bool:
        it = self.texts[text]
        return it.team == team or (not it.is_entombed and self.right(text, team) is not None)

    # Forks, injections, ratings

    def fork(self, who: Who, *, pk: int, parent: int, team: int, licence: str = "") -> None:
        _unless(who.may(team), "forbidden")
        _unless(who.is_admin or any(self.may_read(parent, own) for own in who.teams), "forbidden")
        its = self.texts[parent]
        foreign = its.team != team
        theirs = self._licence(parent, team) if foreign else its.licence
        if foreign:
            allowed, _, kept = self._terms(parent, team)
            _unless(allowed and (not kept or licence in ("", theirs)), "licence_forbids")
        _unless(not its.is_entombed, "invalid_fork")
        offered = self._offer_to(parent, team) if foreign else None
        owes = (
            (offered.seller, offered.royalty_bp)
            if offered is not None and offered.royalty_bp
            else None
        )
        self.texts[pk] = Text(
            team=team, author=who.pk, parent=parent, licence=licence or theirs, owes=owes
        )

    def inject(self, who: Who, *, pk: int, text: int, bot: Who, slot: str, reason: str) -> None:
        assert bot.own is not None
        _unless(who.pk == bot.pk or who.may(bot.own), "forbidden")
        entitled = self.may_read(text, bot.own) and not self.texts[text].is_entombed
        trusted = not self.trust_floors.get(bot.pk, 0)
        overridden = bool(reason) and not who.is_assistant
        _unless(entitled and (trusted or overridden), "gate_closed")
        there = next((i for i in self.injections if (i.assistant, i.slot) == (bot.pk, slot)), None)
        if there is not None:
            if there.text == text:
                return
            self.injections.remove(there)
        self.injections.append(
            Injection(pk=pk, text=text, assistant=bot.pk, team=bot.own, slot=slot)
        )

    def withdraw_injection(self, who: Who, *, injection: Injection) -> None:
        _unless(who.pk == injection.assistant or who.may(injection.team), "forbidden")
        self.injections.remove(injection)

    def rate(self, who: Who, *, text: int) -> None:
        teams = who.teams
        wrote = any(
            self.texts[at].team in teams or self.texts[at].author == who.pk
            for at in [text, *self._ancestors(text)]
        )
        had = who.is_admin or any(
            (p.text, p.team) == (text, team) for p in self.purchases for team in teams
        )
        used = any(outcome.text == text and outcome.team in teams for outcome in self.outcomes)
        _unless(had and used and not wrote, "not_yours_to_rate")

    # Tokens

    def give(self, who: Who, *, to: Who, amount: int, key: str, source: Who | None = None) -> str:
        giver = source or who
        _unless(not who.is_assistant, "forbidden")
        if giver.pk != who.pk:
            operates = giver.is_assistant and giver.own is not None and who.may(giver.own)
            _unless(operates, "forbidden")
        _unless(giver.pk != to.pk and amount > 0, "invalid_amount")
        self.open(giver)
        self.open(to)
        moves = {giver.pk: -amount, to.pk: amount}
        return self._once(("gift", who.pk, key), (giver.pk, to.pk, amount), moves)

    def mint(self, who: Who, *, to: Who, amount: int, key: str) -> str:
        _unless(who.is_admin, "forbidden")
        _unless(amount > 0, "invalid_amount")
        self.open(to)
        moves = {ISSUANCE: -amount, to.pk: amount}
        return self._once(("mint", who.pk, key), (to.pk, amount), moves)

    def _once(
        self, name: tuple[str, int, str], asked: tuple[Any, ...], moves: Mapping[Any, int]
    ) -> str:
        if name in self.asked:
            _unless(self.asked[name] == asked, "idempotency_key_reused")
            return "again"
        self._require_covered(moves)
        self._move(moves)
        self.asked[name] = asked
        return "new"

    def open(self, who: Who) -> None:
        if who.pk not in self.wallets:
            self.wallets.add(who.pk)
            if not who.is_assistant:
                self._move({ISSUANCE: -GRANT, who.pk: GRANT})

    def _require_covered(self, moves: Mapping[Any, int]) -> None:
        for account, amount in moves.items():
            left = self.balances[account] + amount
            _unless(account == ISSUANCE or amount >= 0 or left >= 0, "insufficient_funds")

    def _move(self, moves: Mapping[Any, int]) -> None:
        assert sum(moves.values()) == 0
        self.balances.update(moves)
        self.transfers += 1

    # Lineage

    def _ancestors(self, text: int) -> Iterator[int]:
        at = self.texts[text].parent
        while at is not None:
            yield at
            at = self.texts[at].parent

    def _offer_to(self, text: int, team: int) -> Listing | None:
        """The listing whose terms hold for a team: the one by which it bought, else the newest."""
        bought = self.right(text, team)
        if bought is not None:
            return self.listings[bought.listing]
        return next((one for one in reversed(self.listings.values()) if one.text == text), None)

    def _licence(self, text: int, team: int) -> str:
        offered = self._offer_to(text, team)
        return self.texts[text].licence or (offered.licence if offered else ALL_RIGHTS_RESERVED)

    def _terms(self, text: int, team: int) -> tuple[bool, bool, bool]:
        return LICENCES[self._licence(text, team)]


def _unless(holds: bool, code: str) -> None:
    if not holds:
        raise Refused(code)
