"""The accounts of the house: the issuance, from which all tokens come, and the shards of treasury and escrow.

Their ids are fixed, as a wallet's is its owner's: nobody has to look an account up to post to it.
"""

import random
from typing import Any

from django.db.models import Sum

from .models import Account

SHARDS = 64
ISSUANCE = -1
_FIRST_IDS = {Account.Kind.TREASURY: -1_000, Account.Kind.ESCROW: -2_000}


def pick_shard(kind: Account.Kind, *, rng: random.Random) -> int:
    """The id of one of the shards of the treasury or the escrow, by chance: sales seldom meet in one."""
    return _FIRST_IDS[kind] - rng.randrange(SHARDS)


def get_total_balance(kind: Account.Kind) -> int:
    """What all accounts of a kind hold together, in micro-credits."""
    total = Account.objects.filter(kind=kind).aggregate(total=Sum("balance_micro"))["total"]
    return int(total or 0)


def open_accounts(**_: Any) -> None:
    """Make the accounts of the house that are missing; called after every migration."""
    Account.objects.bulk_create(
        [
            Account(id=ISSUANCE, kind=Account.Kind.ISSUANCE, floor_micro=None),
            *[
                Account(id=first - n, kind=kind, shard=n)
                for kind, first in _FIRST_IDS.items()
                for n in range(SHARDS)
            ],
        ],
        ignore_conflicts=True,
    )
