"""A bazaar to measure with: sellers with listings, buyers with funds, and so many pairs of both that no purchase is
asked for twice."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TypedDict

from django.db import connection, transaction

from benchmarks.market import client_pool
from mintmark.accounts.models import Principal, Team, User
from mintmark.common import amounts
from mintmark.market.models import PromptTokenListing, RoyaltyTerm
from mintmark.registry.models import Prompt
from mintmark.tokens import book, system_accounts
from mintmark.tokens.book import Leg, TransferOrder
from mintmark.tokens.models import Account, Transfer

START = datetime(2026, 1, 1, tzinfo=UTC)
# A listing has 0 to 3 forebears that are owed royalties, so a purchase has 3 to 6 legs, 4.5 on average.
GENERATIONS = 4
CLIENTS = 2 * client_pool.MOST
_BUYERS_A_CLIENT, _SELLERS, _LINES, _HOT_LINES = 60, 200, 300, 300
_FUNDS_MICRO = 10**7 * amounts.MICRO_PER_TOKEN
_ROYALTY_BP = 1_000


class Bazaar(TypedDict):
    """Ids: the buyers of each client (principal, team), and listings with their price in micro-tokens; the `hot` ones
    are all of one seller."""

    buyers: list[list[tuple[int, int]]]
    spread: list[tuple[int, int]]
    hot: list[tuple[int, int]]


def furnish(*, file: Path) -> None:
    """Settle sellers and buyers, list prompts, and write the `Bazaar` to `file`."""
    rng = random.Random(1)
    with transaction.atomic():
        sellers = _people("seller", _SELLERS)
        buyers = _people("buyer", CLIENTS * _BUYERS_A_CLIENT)
        _fund(buyers)
        spread = _listings("spread", rng=rng, sellers=sellers, count=_LINES)
        hot = _listings("hot", rng=rng, sellers=sellers, count=_HOT_LINES, hot=sellers[0])
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
    made = Bazaar(
        buyers=[
            [(buyer.pk, buyer.team_id or 0) for buyer in buyers[client::CLIENTS]]
            for client in range(CLIENTS)
        ],
        spread=spread,
        hot=hot,
    )
    file.write_text(json.dumps(made))


def pairs(
    *, buyers: Sequence[tuple[int, int]], listings: Sequence[tuple[int, int]], client: int
) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Every buyer of a client with every listing, once, in an order of the client's own."""
    count = len(buyers) * len(listings)
    for n in random.Random(client).sample(range(count), k=count):
        yield buyers[n % len(buyers)], listings[n // len(buyers)]


def _people(name: str, count: int) -> list[Principal]:
    """Persons with a team and an empty wallet each."""
    names = [f"{name}-{n}" for n in range(count)]
    teams = Team.objects.bulk_create([Team(name=each) for each in names])
    users = User.objects.bulk_create([User(username=each) for each in names])
    people = Principal.objects.bulk_create(
        [
            Principal(kind=Principal.Kind.PERSON, name=each, team=team, user=user)
            for each, team, user in zip(names, teams, users, strict=True)
        ]
    )
    Account.objects.bulk_create(
        [Account(id=one.pk, kind=Account.Kind.WALLET, owner=one) for one in people]
    )
    return people


def _fund(people: Sequence[Principal]) -> None:
    legs = [Leg(one.pk, _FUNDS_MICRO) for one in people]
    order = TransferOrder(
        idempotency_key="funds",
        request_fingerprint="funds",
        cause=Transfer.Cause.MINT,
        actor=people[0].pk,
        legs=[Leg(system_accounts.ISSUANCE, -_FUNDS_MICRO * len(people)), *legs],
    )
    book.post(order=order, now=START)


def _listings(
    name: str,
    *,
    rng: random.Random,
    sellers: Sequence[Principal],
    count: int,
    hot: Principal | None = None,
) -> list[tuple[int, int]]:
    """So many lines of four generations, by a seller each. All are listed; of a `hot` seller, one of each line is his,
    each generation in its turn, and that one alone is listed."""
    listed: list[PromptTokenListing] = []
    owners = [rng.sample(sellers[1:], k=GENERATIONS) for _ in range(count)]
    if hot is not None:
        for line, mine in enumerate(owners):
            mine[line % GENERATIONS] = hot
    parents: list[Prompt | None] = [None] * count
    for generation in range(GENERATIONS):
        prompts = Prompt.objects.bulk_create(
            [
                _prompt(f"{name}-{line}", revision=generation + 1, by=mine[generation], of=parent)
                for line, (mine, parent) in enumerate(zip(owners, parents, strict=True))
            ]
        )
        RoyaltyTerm.objects.bulk_create(
            [
                RoyaltyTerm(
                    prompt=prompt,
                    ancestor=parent,
                    holder=parent.author,
                    rate_bp=_ROYALTY_BP,
                    agreed_at=START,
                )
                for prompt, parent in zip(prompts, parents, strict=True)
                if parent is not None
            ]
        )
        listed += PromptTokenListing.objects.bulk_create(
            [
                PromptTokenListing(
                    prompt=prompt,
                    token_cost=Decimal(rng.randrange(1_000_000, 9_999_999)).scaleb(-6),
                    seller=prompt.author,
                    licence="Apache-2.0",
                )
                for line, prompt in enumerate(prompts)
                if hot is None or line % GENERATIONS == generation
            ]
        )
        parents = list(prompts)
    return [(listing.pk, listing.price_micro) for listing in listed]


def _prompt(name: str, *, revision: int, by: Principal, of: Prompt | None) -> Prompt:
    return Prompt(
        namespace="bench",
        name=name,
        revision=revision,
        text=f"{name}, generation {revision}",
        digest="",
        parent=of,
        derivation="fork" if of is not None else "root",
        author=by,
        team=by.team,
        wording=b"",
        wording_version=1,
    )
