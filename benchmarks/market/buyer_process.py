"""Run as a process, never imported: a client with Django as `mintmark serve` has it, which buys from a bazaar.

python trader.py BAZAAR FIRST THREADS: with clients of the numbers from FIRST on, a thread each
"""

from __future__ import annotations

import json
import random
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import django

django.setup()

from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402

from benchmarks.market import bare_sqlite, client, market_data, plain_orm  # noqa: E402
from mintmark.accounts.models import Principal  # noqa: E402
from mintmark.market import listing_snapshot, policy, purchases  # noqa: E402

type Pairs = Iterator[tuple[tuple[int, int], tuple[int, int]]]

POLICY = policy.get_current_policy()


def buying(people: dict[int, Principal], pairs: Pairs, *, anew: bool = False) -> client.Work:
    """`purchases.buy`, each time a listing that the team has not bought, under a new key; `anew` as if the process had
    never read the terms of that listing."""

    def buy() -> None:
        (buyer, team), (listing, price) = next(pairs)
        if anew:
            listing_snapshot._cached_snapshots.pop(listing, None)
        receipt = purchases.buy_within(
            policy=POLICY,
            buyer=people[buyer],
            team=team,
            listing=listing,
            prompt_set=None,
            price_micro=price,
            idempotency_key=uuid.uuid4().hex,
            now=timezone.now(),
        )
        assert receipt.is_new

    return buy


class Always(random.Random):
    """Chance that always draws the same."""

    def __init__(self, drawn: int) -> None:
        super().__init__()
        self._drawn = drawn

    def randrange(self, *_: int) -> int:
        return self._drawn


class OfTheThread(random.Random):
    """The chance that the running thread has chosen."""

    chosen = threading.local()

    def randrange(self, *bounds: int) -> int:
        drawn: int = self.chosen.chance.randrange(*bounds)
        return drawn


def spreading(fees: random.Random, *, buy: client.Work) -> client.Work:
    """The same with fees that go into those shards of the treasury that this chance draws."""

    def elsewhere() -> None:
        OfTheThread.chosen.chance = fees
        buy()

    return elsewhere


def works(*, bazaar: market_data.Bazaar, number: int) -> dict[str, client.Work]:
    """What client `number` can do."""
    buyers = bazaar["buyers"][number]
    people = Principal.objects.in_bulk([buyer for buyer, _ in buyers])
    spread = market_data.pairs(buyers=buyers, listings=bazaar["spread"], client=number)
    hot = market_data.pairs(buyers=buyers, listings=bazaar["hot"], client=number)
    buy = buying(people, spread)
    made: dict[str, client.Work] = {
        "buy": spreading(random.Random(), buy=buy),
        "one treasury row": spreading(Always(0), buy=buy),
        "a treasury row a client": spreading(Always(number), buy=buy),
        "one seller": spreading(random.Random(), buy=buying(people, hot)),
        "terms read anew": spreading(random.Random(), buy=buying(people, spread, anew=True)),
        "plain ORM": plain_orm.buying(pairs=spread, policy=POLICY),
    }
    if connection.vendor == "sqlite":
        listings = [listing for listing, _ in bazaar["spread"]]
        made["bare driver"] = bare_sqlite.buying(pairs=spread, listings=listings, policy=POLICY)
    return made


def main(file: str, first: str, threads: str) -> None:
    bazaar: market_data.Bazaar = json.loads(Path(file).read_text())
    numbers = range(int(first), int(first) + int(threads))
    made = [works(bazaar=bazaar, number=number) for number in numbers]
    purchases._SHARD_RNG = OfTheThread()
    # As in a process that has sold for a while.
    listing_snapshot.load_snapshots([listing for listing, _ in bazaar["spread"] + bazaar["hot"]])
    connection.close()
    client.obey(made)


main(*sys.argv[1:])
