"""What do sealing and opening a bundle cost, beside hashing the same bytes, and what does a bad one cost?

Sealing: from the pure bundle to the file, signed by two keys. Opening: size, spelling, both signatures, digests,
lineage, from the file to the pure bundle. Both beside SHA-256 of the file alone, in turn, several rounds in one
process: the ratio within a round is what counts on a machine that is not quiet. Then each file of tests/bundles/bad and
those too large to lie there: how long reading it with `core.bundles.opened` takes, and how much memory the process that
verifies took at most (goal: 1 s and 200 MB).

Run from the repository root: python -m benchmarks.vault.bundles [--prompts 1000 --prompts 100000] [--rounds 5]
[--no-bad] [--json]
"""

from __future__ import annotations

import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from mintmark.signing import bundles
from mintmark.signing.bundles import Bundle
from mintmark.signing.canonical_json import JsonLimits
from tests.bundles import generate, payloads

KEYS = [payloads.HOUSE, payloads.TEAM]
WORDS = "Sort {ticket} by urgency, then by cost; say why in one line each, and nothing else. "

# Opens each file that is named on standard input, and says what that took; a process of its own is its memory.
_OPEN = """
import json, sys, time
from mintmark.cli import vault_verify
from mintmark.common import errors
from mintmark.signing import bundles
for line in sys.stdin:
    code, started = "", time.perf_counter()
    try:
        bundles.verify(open(line.strip(), "rb").read())
    except errors.DomainError as refusal:
        code = refusal.code
    seconds = time.perf_counter() - started
    peak = open("/proc/self/status").read().split("VmHWM:")[1].split()[0]
    print(json.dumps({"code": code, "ms": 1e3 * seconds, "peak_mb": int(peak) * 1_024 / 1e6}))
"""


@dataclass(frozen=True, kw_only=True)
class Round:
    """One size in one round: seconds of each work over the same file of so many bytes."""

    prompts: int
    bytes: int
    seal: float
    open: float
    sha256: float


@dataclass(frozen=True, kw_only=True)
class Bad:
    """What one bad file cost."""

    name: str
    code: str
    bytes: int
    ms: float
    peak_mb: float


def bundle(prompts: int) -> Bundle:
    """So many prompts of about 600 characters, each the revision of the one before in lines of ten."""
    told = [
        payloads.prompt(
            f"acme/line-{n // 10}@{n % 10 + 1}",
            text=f"{n}. {WORDS * 7}",
            parent=f"acme/line-{n // 10}@{n % 10}" if n % 10 else None,
            derivation="revision" if n % 10 else "root",
        )
        for n in range(prompts)
    ]
    return Bundle.model_validate_json(json.dumps(payloads.predicate(told)))


def rounds(*, prompts: int, count: int) -> Iterator[Round]:
    """Seal, open and hash in turn."""
    told = bundle(prompts)
    raw = bundles.sign(told, keys=KEYS).to_bytes()
    limits = JsonLimits(size=len(raw), depth=bundles.LIMITS.depth, values=100 * prompts + 10_000)
    for _ in range(count):
        yield Round(
            prompts=prompts,
            bytes=len(raw),
            seal=_seconds(lambda: bundles.sign(told, keys=KEYS).to_bytes()),
            open=_seconds(lambda: bundles.verify(raw, limits=limits, max_prompts=prompts)),
            sha256=_seconds(lambda: hashlib.sha256(raw).digest()),
        )


def bad(folder: Path) -> Iterator[Bad]:
    """Each bad file: the small ones in one process, each large one in its own."""
    small = {name: case.raw for name, case in generate.bad().items() if not case.by_importers_alone}
    for name, raw in small.items():
        (folder / name).write_bytes(raw)
    told = _opened([folder / name for name in small])
    for (name, raw), said in zip(small.items(), told, strict=True):
        yield Bad(name=name, bytes=len(raw), **said)
    for name, (_, made) in generate.large().items():
        raw = made()
        (folder / name).write_bytes(raw)
        (said,) = _opened([folder / name])
        (folder / name).unlink()
        yield Bad(name=name, bytes=len(raw), **said)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _opened(files: list[Path]) -> list[dict[str, Any]]:
    run = subprocess.run(
        [sys.executable, "-c", _OPEN],
        input="".join(f"{file}\n" for file in files),
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in run.stdout.splitlines()]


def _print_rounds(told: list[Round]) -> None:
    click.echo(
        "| prompts | MB | SHA-256, ms | seal, ms | ratio | open, ms | ratio |\n|---|---|---|---|---|---|---|"
    )
    for prompts in dict.fromkeys(one.prompts for one in told):
        of_size = [one for one in told if one.prompts == prompts]
        ms = {
            work: 1e3 * statistics.median(getattr(one, work) for one in of_size)
            for work in ("sha256", "seal", "open")
        }
        ratio = {
            work: statistics.median(getattr(one, work) / one.sha256 for one in of_size)
            for work in ("seal", "open")
        }
        click.echo(
            f"| {prompts:,} | {of_size[0].bytes / 1e6:.1f} | {ms['sha256']:.1f} | {ms['seal']:.0f} | "
            f"{ratio['seal']:.0f} | {ms['open']:.0f} | {ratio['open']:.0f} |"
        )


@click.command()
@click.option(
    "--prompts", multiple=True, default=(1_000, 100_000), show_default=True, type=click.IntRange(1)
)
@click.option("--rounds", "count", default=5, show_default=True, type=click.IntRange(1))
@click.option("--bad/--no-bad", "with_bad", default=True, help="Open the bad files as well.")
@click.option("--json", "as_json", is_flag=True)
def main(*, prompts: tuple[int, ...], count: int, with_bad: bool, as_json: bool) -> None:
    """Print the tables, or the same as JSON."""
    told = [one for size in prompts for one in rounds(prompts=size, count=count)]
    if not as_json:
        _print_rounds(told)
    with tempfile.TemporaryDirectory() as folder:
        cost = list(bad(Path(folder))) if with_bad else []
    if as_json:
        click.echo(
            json.dumps(
                {"rounds": [asdict(one) for one in told], "bad": [asdict(one) for one in cost]},
                indent=2,
            )
        )
        return
    if cost:
        click.echo("\n| bad file | code | KB | ms | peak, MB |\n|---|---|---|---|---|")
    for one in sorted(cost, key=lambda one: -one.ms):
        click.echo(
            f"| {one.name} | `{one.code}` | {one.bytes / 1e3:,.0f} | {one.ms:.1f} | {one.peak_mb:.0f} |"
        )


if __name__ == "__main__":
    main()
