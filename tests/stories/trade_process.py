"""A process of the story of trade under fire: `build` sets stalls up, `trade N STEPS LOG` trades, `check` looks back.

A trader writes down what it is about to ask, and what it was told, each on disk before it goes on. One that was killed
asks again under the same key, as its last line says.
"""

import contextlib
import json
import os
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import django

django.setup()

from django.db import InterfaceError, OperationalError, connection, transaction  # noqa: E402
from django.db.models import Count, Q  # noqa: E402

from mintmark.accounts import callers  # noqa: E402
from mintmark.accounts.callers import Caller  # noqa: E402
from mintmark.accounts.models import Membership, Role, Team, User  # noqa: E402
from mintmark.common import errors  # noqa: E402
from mintmark.deployments.models import Injection  # noqa: E402
from mintmark.evidence.models import Vouch  # noqa: E402
from mintmark.market import audit as trade_audit  # noqa: E402
from mintmark.market.forks import ForkDraft  # noqa: E402
from mintmark.market.listings import ListingOffer, WarrantyTerms  # noqa: E402
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace  # noqa: E402
from mintmark.market.models import PromptSet, PromptTokenListing, Purchase, Warranty  # noqa: E402
from mintmark.market.purchases import PurchaseResult  # noqa: E402
from mintmark.registry import assistants, prompts, rituals  # noqa: E402
from mintmark.registry.models import (  # noqa: E402
    Assistant,
    Entitlement,
    Prompt,
    Ritual,
    Tombstone,
)
from mintmark.storage import transient_errors  # noqa: E402
from mintmark.tokens import audit as book_audit  # noqa: E402
from mintmark.tokens import wallets  # noqa: E402
from mintmark.tokens.models import Entry, Transfer  # noqa: E402
from mintmark.trust import intake  # noqa: E402

NOW = datetime(2026, 11, 1, tzinfo=UTC)
PEOPLE, ORIGINALS, PATIENCE_SECONDS = 24, 60, 60.0
# What a trader does next, in percent: `again` repeats a key, `other` repeats it with another request.
_CHANCES = {
    "buy": 38, "again": 7, "other": 5, "together": 9, "set": 4, "gift": 8, "measure": 11, "fork": 5, "reprice": 4,
    "settle": 1, "inject": 4, "revoke": 1, "entomb": 2, "refresh": 1,
}  # fmt: skip


def build() -> None:
    """People with a team and an assistant each; originals, and forks of forks that owe royalties; two sets."""
    market = SymbolicPromptTokenMarketplace()
    ritual = rituals.register(name="cases", tag="task:trade")
    people: list[Caller] = []
    for n in range(PEOPLE):
        team = Team.objects.create(name=f"team-{n}")
        user = User.objects.create(username=f"person-{n}")
        for role in (Role.OPERATOR, Role.AUTHOR):
            Membership.objects.create(user=user, team=team, role=role)
        people.append(callers.from_user(user=user))
        principal = people[-1].principal
        Vouch.objects.create(reporter=principal, reason="a story", given_by=principal, given_at=NOW)
        wallets.get_or_open(principal=people[-1].principal, now=NOW)
        assistants.register(name=f"assistant-{n}", owner=people[-1].principal, team=team)
    Membership.objects.create(user=User.objects.create(username="admin"), role=Role.ADMIN)
    rng = random.Random(0)
    listed: list[Prompt] = []
    for n in range(ORIGINALS):
        seller = people[n % PEOPLE]
        prompt = _registered(seller, f"original-{n}", f"Original {n} of {{x}}.")
        _listed(market, seller, prompt, ritual=ritual, rng=rng)
        listed.append(prompt)
    for n in range(ORIGINALS):
        parent = listed[rng.randrange(len(listed))]
        forker = people[rng.randrange(PEOPLE)]
        try:
            child = _forked(market, forker, parent, name=f"built-{n}")
        except errors.DomainError:
            continue
        _listed(market, forker, child, ritual=ritual, rng=rng)
        listed.append(child)
    for n, caller in enumerate(people[:2]):
        assert caller.principal.team is not None
        market.create_prompt_set(
            caller=caller, team=caller.principal.team, name=f"set-{n}", title="A set", now=NOW,
            prompts=rng.sample(listed, 4),
        )  # fmt: skip


def trade(*, trader: int, steps: int, log: Path) -> None:
    """Take this trader's steps, from where its log says that it stopped."""
    done, pending = _read(log)
    with log.open("a") as book:
        for step in range(done, steps):
            asked = pending or _asked_when_up(trader, step, log)
            if pending is None:
                _write(book, {"step": step, "asked": asked})
            pending = None
            _write(
                book,
                {"step": step, "key": _key_of(asked), "asked_for": asked, "told": _told(asked)},
            )


def check(logs: list[Path]) -> dict[str, Any]:
    """What came of it, held against what the traders were told."""
    tolds = defaultdict(set)
    refused: Counter[str] = Counter()
    asked_keys: set[str] = set()
    wrong: list[str] = []
    for log in logs:
        for line in _lines(log):
            if "told" not in line:
                asked_keys.add(_key_of(line["asked"]))
                continue
            told = line["told"]
            if told.startswith("error"):
                wrong.append(f"{line['asked_for']}: {told}")
            elif told.startswith("refused"):
                refused[told.split(":")[1]] += 1
            elif told.startswith("transfer"):
                tolds[line["key"]].add(int(told.split(":")[1]))
    known = dict(Transfer.objects.values_list("key", "pk"))
    for key, transfers in tolds.items():
        if len(transfers) > 1 or known.get(key) not in transfers:
            wrong.append(f"{key} was told {transfers}, and the book has {known.get(key)}")
    # A forker buys the parent first, under a key of the step's own.
    traded = {key for key in known if key.startswith(("buy:", "gift:")) and ":for-" not in key}
    wrong += [f"{key} stands in the book, and nobody asked" for key in traded - asked_keys][:10]
    found = [*book_audit.audit(), *trade_audit.audit()]
    wrong += [f"{f.code}: {one}" for f in found if not f.holds for one in f.broken]
    return {
        "wrong": wrong[:20],
        "told": len(tolds),
        "refused": refused,
        "purchases": Purchase.objects.exclude(bought_at=NOW).count(),
        "of_sets": Purchase.objects.exclude(prompt_set=None).count(),
        "refunds": Warranty.objects.filter(state=Warranty.State.FAILED).count(),
        "entombed": Tombstone.objects.count(),
        "revoked": Entitlement.objects.filter(end_reason="abused").count(),
        "injections": Injection.objects.count(),
        "gifts": Transfer.objects.filter(cause=Transfer.Cause.GIFT).count(),
        "royalties": Entry.objects.filter(transfer__cause="purchase").count(),
        "forks": Prompt.objects.filter(namespace__startswith="fork").count(),
    }


# What one trader does


def _asked_when_up(trader: int, step: int, log: Path) -> dict[str, Any]:
    asked: dict[str, Any] = _patiently(lambda: _asked(trader, step, log))
    return asked


def _asked(trader: int, step: int, log: Path) -> dict[str, Any]:
    """What to ask in this step: all that the same key must come with again."""
    rng = random.Random(trader * 100_003 + step)
    verb = rng.choices(list(_CHANCES), weights=list(_CHANCES.values()))[0]
    who, key = rng.randrange(PEOPLE), f"{trader}-{step}"
    if verb in ("again", "other"):
        before = [line["asked_for"] for line in _lines(log) if "told" in line]
        chosen = rng.choice(before) if before else _gift(rng, who, key)
        changed = {name: chosen[name] + 1 for name in ("price", "amount") if name in chosen}
        return chosen | changed if verb == "other" else chosen
    if verb == "together":
        # Every trader comes by these: several ask for the same under the same key at once.
        shared = step // 4
        rng = random.Random(-shared - 1)
        who, key = rng.randrange(PEOPLE), f"shared-{shared}"
        verb = "gift"
    if verb == "gift":
        return _gift(rng, who, key)
    if verb == "set":
        made = PromptSet.objects.get(name=f"set-{rng.randrange(2)}")
        from mintmark.market import prompt_sets

        team = Team.objects.get(name=f"team-{who}")
        total = prompt_sets.build_quote(prompt_set=made, team_id=team.pk).total_micro
        return {"verb": "set", "who": who, "key": key, "set": made.name, "price": total}
    if verb in ("measure", "settle", "inject", "revoke", "entomb", "refresh"):
        return {"verb": verb, "who": who, "key": key, "score": rng.choice([0.1, 0.9])}
    standing = PromptTokenListing.objects.filter(withdrawn_at=None).order_by("id")
    listing = rng.choice(list(standing.select_related("prompt__team")))
    if verb == "reprice":
        who = int(listing.prompt.team.name.split("-")[1])
        cost = rng.choice(["0.000007", "0.5", "1.234567", "150"])
        return {"verb": verb, "who": who, "key": key, "listing": listing.pk, "cost": cost}
    if verb == "fork":
        return {"verb": verb, "who": who, "key": key, "prompt": listing.prompt_id}
    return {
        "verb": "buy",
        "who": who,
        "key": key,
        "listing": listing.pk,
        "price": listing.price_micro,
    }


def _gift(rng: random.Random, who: int, key: str) -> dict[str, Any]:
    to = (who + 1 + rng.randrange(PEOPLE - 1)) % PEOPLE
    return {
        "verb": "gift",
        "who": who,
        "key": key,
        "to": to,
        "amount": rng.choice([1, 777, 2_000_000]),
    }


def _told(asked: dict[str, Any]) -> str:
    """What one is told: a transfer, that it was done, why it was refused, or an error that nobody should see."""
    try:
        told: str = _patiently(lambda: _done(asked))
    except errors.DomainError as refused:
        return f"refused:{refused.code}"
    except Exception as error:
        return f"error:{type(error).__name__}: {error}"
    return told


def _done(asked: dict[str, Any]) -> str:
    market = SymbolicPromptTokenMarketplace()
    caller = callers.from_user(user=User.objects.get(username=f"person-{asked['who']}"))
    now, verb = datetime.now(UTC), asked["verb"]
    if verb in ("buy", "set"):
        made = market.buy(
            caller=caller,
            listing=asked.get("listing"),
            prompt_set=PromptSet.objects.get(name=asked["set"]) if verb == "set" else None,
            price_micro=asked["price"],
            idempotency_key=asked["key"],
            now=now,
        )
        assert isinstance(made, PurchaseResult)
        return f"transfer:{made.transfer}"
    if verb == "gift":
        to = callers.from_user(user=User.objects.get(username=f"person-{asked['to']}")).principal
        given = wallets.give(
            caller=caller,
            recipient=to,
            amount_micro=asked["amount"],
            memo="",
            idempotency_key=asked["key"],
            now=now,
        )
        return f"transfer:{given.transfer}"
    if verb == "measure":
        _measure(caller, asked, now=now)
        market.decide_due_warranties(now=now)
    elif verb == "settle":
        market.decide_due_warranties(now=now + timedelta(days=30))
    elif verb == "refresh":
        market.refresh_scores(now=now)
    elif verb in ("inject", "revoke"):
        _put_to_work_or_revoke(market, caller, verb=verb, now=now)
    elif verb == "entomb":
        _entomb(market, caller, now=now)
    elif verb == "reprice":
        listing = PromptTokenListing.objects.select_related("prompt__team").get(pk=asked["listing"])
        market.reprice(caller=caller, listing=listing, token_cost=asked["cost"])
    else:
        parent = Prompt.objects.get(pk=asked["prompt"])
        with transaction.atomic():
            child = _forked(market, caller, parent, name=f"made-{asked['key']}")
            _listed(
                market, caller, child, ritual=Ritual.objects.get(), rng=random.Random(asked["key"])
            )
    return "done"


def _measure(caller: Caller, asked: dict[str, Any], *, now: datetime) -> None:
    """An outcome of the team's assistant on a prompt whose price waits for one."""
    waiting = Warranty.objects.filter(
        state=Warranty.State.OPEN, purchase__team=caller.principal.team_id
    ).order_by("id")
    warranty = waiting.select_related("purchase").first()
    if warranty is None:
        return
    claim = intake.EvidenceClaim(
        kind="outcome", prompt=warranty.purchase.prompt_id, ritual="cases", score=asked["score"], runs=5,
        assistant=Assistant.objects.get(team=caller.principal.team_id).pk, key=asked["key"], occurred_at=now,
    )  # fmt: skip
    # It may have been recorded before the trader was killed, for the warranty that was first then.
    with contextlib.suppress(errors.IdempotencyKeyReused):
        intake.record(caller=caller, claims=[claim], source="story", now=now)


def _put_to_work_or_revoke(
    market: SymbolicPromptTokenMarketplace, caller: Caller, *, verb: str, now: datetime
) -> None:
    """What the team bought last goes to its assistant, or is taken from it by an admin."""
    bought = Purchase.objects.filter(team=caller.principal.team_id).order_by("-id")
    last = bought.select_related("prompt", "entitlement__prompt").first()
    if last is None:
        return
    if verb == "inject":
        assistant = Assistant.objects.get(team=caller.principal.team_id)
        market.inject(caller=caller, prompt=last.prompt, assistant=assistant, now=now)
        return
    admin = callers.from_user(user=User.objects.get(username="admin"))
    market.revoke_entitlement(caller=admin, entitlement=last.entitlement, reason="abused", now=now)


def _entomb(market: SymbolicPromptTokenMarketplace, caller: Caller, *, now: datetime) -> None:
    """The fork that waits for most warranties is withdrawn for good, and their prices go back."""
    mine = Prompt.objects.filter(team=caller.principal.team_id, name__startswith="made-")
    waiting = Count("purchases__warranty", filter=Q(purchases__warranty__state="open"))
    prompt = (
        mine.filter(tombstone=None).annotate(waiting=waiting).order_by("-waiting", "id").first()
    )
    if prompt is not None:
        market.withdraw_permanently(caller=caller, prompt=prompt, reason="harmful", now=now)


def _key_of(asked: dict[str, Any]) -> str:
    """The key under which the book has what was asked."""
    principal = _principal(asked["who"])
    kind = {"buy": "buy", "set": "buy", "gift": "gift"}.get(asked["verb"], "none")
    return f"{kind}:{principal}:{asked['key']}"


_principals: dict[int, int] = {}


def _principal(who: int) -> int:
    if not _principals:
        people = User.objects.filter(username__startswith="person-")
        rows = _patiently(lambda: list(people.values_list("username", "principal")))
        _principals.update((int(name.split("-")[1]), pk) for name, pk in rows)
    return _principals[who]


def _patiently(work: Any) -> Any:
    """Do it again while the database is away or busy, as a caller does who is told 503; all else is for the caller."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return work()
        except (OperationalError, InterfaceError) as error:
            if not transient_errors.is_transient(error) or time.monotonic() > deadline:
                raise
            connection.close()
            time.sleep(0.2)


# The traders' logs


def _write(book: Any, line: dict[str, Any]) -> None:
    book.write(json.dumps(line) + "\n")
    book.flush()
    os.fsync(book.fileno())


def _lines(log: Path) -> Iterator[dict[str, Any]]:
    if not log.exists():
        return
    for line in log.read_text().splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue  # half a line: the process was killed while it wrote


def _read(log: Path) -> tuple[int, dict[str, Any] | None]:
    """The next step, and what was asked in it if nothing was told yet."""
    if log.exists() and not log.read_text().endswith("\n"):
        with log.open("a") as book:
            book.write("\n")
    lines = list(_lines(log))
    if not lines:
        return 0, None
    last = lines[-1]
    return (last["step"], last["asked"]) if "told" not in last else (last["step"] + 1, None)


def _registered(caller: Caller, name: str, text: str) -> Prompt:
    assert caller.principal.team is not None
    draft = prompts.PromptDraft(namespace="story", name=name, text=text, tags=["task:trade"])
    return prompts.register(draft=draft, author=caller.principal, team=caller.principal.team)


def _forked(
    market: SymbolicPromptTokenMarketplace, caller: Caller, parent: Prompt, *, name: str
) -> Prompt:
    assert caller.principal.team is not None
    listing = PromptTokenListing.objects.filter(prompt=parent, withdrawn_at=None).first()
    if listing is None:
        raise errors.NotFound(f"{parent.reference} was withdrawn meanwhile")
    if parent.team_id != caller.principal.team_id:
        try:
            market.buy(
                caller=caller,
                listing=listing.pk,
                price_micro=listing.price_micro,
                idempotency_key=f"for-{name}",
                now=NOW,
            )
        except errors.DomainError as refused:
            if refused.code != "already_owned":
                raise
    draft = ForkDraft(
        namespace=f"fork-{caller.principal.pk}",
        name=name,
        text=f"{parent.text} {name}",
        changes=["@tone-shift"],
    )
    return market.fork(
        caller=caller, parent=parent, draft=draft, team=caller.principal.team, now=NOW
    )


def _listed(
    market: SymbolicPromptTokenMarketplace,
    caller: Caller,
    prompt: Prompt,
    *,
    ritual: Ritual,
    rng: random.Random,
) -> None:
    warranty = WarrantyTerms(ritual=ritual, floor=0.5, runs=5, days=7)
    market.list_prompt(
        caller=caller,
        offer=ListingOffer(
            prompt=prompt,
            token_cost=rng.choice(["0.5", "0.000003", "1.000001", "0.75"]),
            licence="CC-BY-4.0",
            royalty_bp=rng.choice([0, 777, 5_000]),
            warranty=warranty if rng.random() < 0.3 else None,
        ),
        now=NOW,
    )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["build"]:
            build()
        case ["trade", trader, steps, log]:
            trade(trader=int(trader), steps=int(steps), log=Path(log))
        case ["check", *logs]:
            json.dump(check([Path(log) for log in logs]), sys.stdout)
