"""A process of the client's story: `build` an installation, `report` as other people's programs do, `check` the log.

Only `build` and `check` know Django: whoever reports has an address, a key and `mintmark.client`.
"""

import json
import sys
import time
from pathlib import Path

RITUAL = "triage-cases"


def build() -> None:
    """An assistant with a key of its own, and a prompt with a label."""
    import django

    django.setup()
    from mintmark.accounts import keys
    from mintmark.registry import labels
    from tests.factories.cast import NOW, Cast

    cast = Cast()
    author = cast.as_(cast.seller).principal
    labels.move(
        namespace="acme", name="triage", label="production", prompt=cast.prompt, actor=author, reason="first", now=NOW
    )  # fmt: skip
    issued = keys.issue(principal=cast.scout.principal, scopes=["read", "evidence"])
    print(json.dumps({"secret": issued.secret}))


def report(*, url: str, secret: str, state: str, log: str, name: str, count: int) -> None:
    """Report one use after the other, each under a note of its own; a note is in the file once its report was taken."""
    from mintmark import client

    done = len(Path(log).read_text().splitlines()) if Path(log).exists() else 0
    tried = Path(f"{log}.tried")
    before = len(tried.read_text().splitlines()) if tried.exists() else 0
    with client.Client(
        url, key=secret, assistant="scout", state=state, stale_seconds=3600
    ) as mint, open(log, "a") as told, tried.open("a") as trying:  # fmt: skip
        prompt = client.Prompt(
            reference="acme/triage@1", digest="", text="Sort {ticket}.", variables=("ticket",)
        )
        for n in range(done, count):
            # A program that is killed between the report and its note tries again under another.
            note = f"{name} {n} {before}"
            print(note, file=trying, flush=True)
            with mint.use(prompt, ritual=RITUAL) as use:
                assert use.report((n % 11) / 10, runs=10, note=note)
            print(note, file=told, flush=True)
            time.sleep(0.002)  # a program that does something between its reports


def deliver(*, url: str, secret: str, state: str, seconds: float) -> None:
    """A program that reports nothing, and delivers what others left."""
    from mintmark import client

    with client.Client(url, key=secret, state=state) as mint:
        delivered = mint.flush(seconds)
        print(json.dumps({"delivered": delivered, "waiting": mint.counts().waiting}))


def check() -> None:
    """The notes in the log, and what the audit says."""
    import django

    django.setup()
    from mintmark.evidence.models import Event
    from mintmark.projection import audit, projector
    from tests.factories.cast import NOW

    while projector.project_pending(now=NOW):
        pass
    broken = [f"{f.code}: {line}" for f in audit.audit(now=NOW) for line in f.broken]
    print(
        json.dumps({"notes": list(Event.objects.values_list("note", flat=True)), "broken": broken})
    )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["build"]:
            build()
        case ["report", url, secret, state, log, name, count]:
            report(url=url, secret=secret, state=state, log=log, name=name, count=int(count))
        case ["deliver", url, secret, state, seconds]:
            deliver(url=url, secret=secret, state=state, seconds=float(seconds))
        case ["check"]:
            check()
        case other:
            raise SystemExit(f"unknown: {other}")
