"""Run as a process, never imported: clients that make transfers of two entries with pgledger, by psycopg alone.

python ledger_transfers.py URL FIRST THREADS
"""

import random
import sys

import psycopg

from benchmarks.market import client, pgbench

_TRANSFER = "SELECT * FROM pgledger_create_transfer(%s, %s, 1)"


def work(url: str) -> client.Work:
    """A transfer between two accounts drawn by chance, on a connection of its own that stays open."""
    connection = psycopg.connect(url, autocommit=True)

    def transfer() -> None:
        giver, taker = random.sample(range(1, pgbench.PGLEDGER_ACCOUNTS + 1), k=2)
        connection.execute(_TRANSFER, [f"account_{giver}", f"account_{taker}"]).fetchall()

    return transfer


client.obey([{"transfer": work(sys.argv[1])} for _ in range(int(sys.argv[3]))])
