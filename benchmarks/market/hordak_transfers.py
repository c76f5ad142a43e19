"""Run by an interpreter that has django-hordak, never imported: a client that makes plain transfers of two legs.

python hordak_transfers.py URL [NUMBER THREADS]: with the address alone, it makes the tables and the accounts.
"""

import random
import sys

import dj_database_url  # type: ignore[import-not-found]
import django
from django.conf import settings

from benchmarks.market import client

_ACCOUNTS = 200

settings.configure(
    DATABASES={"default": dj_database_url.parse(sys.argv[1])},
    INSTALLED_APPS=[
        "django.contrib.contenttypes", "django.contrib.auth", "mptt", "hordak",
    ],
    DEFAULT_CURRENCY="EUR",
    CURRENCIES=["EUR"],
    USE_TZ=True,
)  # fmt: skip
settings.DATABASES["default"]["CONN_MAX_AGE"] = None
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import transaction  # noqa: E402
from hordak.models import Account  # type: ignore[import-not-found]  # noqa: E402
from moneyed import Money  # type: ignore[import-not-found]  # noqa: E402


def furnish() -> None:
    call_command("migrate", verbosity=0)
    for n in range(_ACCOUNTS):
        Account.objects.create(name=f"account {n}", type="AS", code=f"{n:03}", currencies=["EUR"])


def work() -> client.Work:
    accounts = list(Account.objects.all())

    @transaction.atomic
    def transfer() -> None:
        giver, taker = random.sample(accounts, k=2)
        giver.transfer_to(taker, Money("1.00", "EUR"))

    return transfer


if sys.argv[2:]:
    client.obey([{"transfer": work()}])
else:
    furnish()
