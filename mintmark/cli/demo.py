"""`mintmark demo`."""

import os
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import installation, output, serve

if TYPE_CHECKING:
    from mintmark.accounts.callers import Caller
    from mintmark.accounts.models import User

type Say = Callable[[str], None]

USER = "demo"
TEAM = "support"
ROLES = ("operator", "author")
TASKS = ("causal_judgement", "navigate", "homophones", "word_before")
"""What of the real corpus the example takes; `mintmark import multiprompt` brings in the rest."""


@click.command()
@click.option("--host", default=serve.HOST, show_default=True, help="The address to listen on.")
@click.option("--port", default=serve.PORT, show_default=True, type=click.IntRange(1, 65535))
@click.option("--no-serve", is_flag=True, help="Set up and end.")
@click.option(
    "--corpus/--no-corpus",
    default=True,
    help=f"Load {len(TASKS)} tasks of the real corpus as well, if it is here. [default: corpus]",
)
@output.json_option
def demo(*, host: str, port: int, no_serve: bool, corpus: bool, as_json: bool) -> None:
    """Set up, load a living example, serve it, print its address and a sign-in.

    The example is a small simulated fleet, plainly labelled, and some of the real multi-prompt
    corpus if it is found (in MINTMARK_DATA, or beside the repository in ../shared/data). It is kept
    in MINTMARK_HOME: a second run adds nothing and is quick.
    """
    # What a rehearsal measures may enter the log of a demo, and says there what it is.
    os.environ.setdefault("MINTMARK_DEMO", "true")
    installation.open_settings()
    if not no_serve:
        serve.require_free(host=host, port=port)
    from django.conf import settings

    def say(step: str) -> None:
        output.say(step, as_json=as_json)

    say(f"Keeping everything in {settings.HOME}")
    if pending := installation.pending_migrations():
        say(f"Creating the database: {len(pending)} migrations")
        installation.migrate()
    _require_own_database()

    from . import console

    caller = console.caller()
    visitor, password = _sign_in()
    now = datetime.now(UTC)
    loaded, start = _load_fleet(caller, now=now, say=say)
    loaded += _load_corpus(caller, now=now, say=say) if corpus else 0
    policy = _calibrate(caller, now=now, changed=bool(loaded), say=say)
    loaded += _load_market(caller, visitor=visitor, start=start, now=now, say=say)
    _rehearse(visitor, now=now, say=say)
    address = serve.address(host=host, port=port)
    market = f"{address}market/prompts"
    if serve.collect_static():
        say("Collected the static files")
    if as_json:
        output.print_json(
            {
                "home": str(settings.HOME),
                "address": address,
                "user": USER,
                "password": password,
                "market": market,
                "events_loaded": loaded,
                "policy": policy,
            }
        )
    sign_in = f"Sign in as {USER} with the password {password}"
    greeting = (sign_in, *_first_steps(visitor, market=market))
    if no_serve:
        for line in greeting:
            say(line)
        say("Ready: `mintmark serve` serves it")
    else:
        serve.run(host=host, port=port, workers=None, greeting=() if as_json else greeting)


def _require_own_database() -> None:
    """Refuse to load an example into somebody's real installation."""
    from mintmark.accounts.models import User
    from mintmark.registry.models import Prompt

    if Prompt.objects.exists() and not User.objects.filter(username=USER).exists():
        raise installation.NotReady(
            "This database holds prompts and is no demo's. The example is not mixed into it: name "
            "another folder in MINTMARK_HOME (or another database), or use `mintmark serve`."
        )


def _sign_in() -> tuple["User", str]:
    """The demo's person, operator and author of a simulated team, and his password.

    It is kept in the home folder to be printed again.
    """
    from django.conf import settings

    from mintmark.accounts import principals
    from mintmark.accounts.models import Membership, Principal, Team, User

    from . import users
    from .living_example import fleet

    kept: Path = settings.HOME / "demo_password"
    title = next(team.title for team in fleet.read().teams if team.name == TEAM)
    team, _ = Team.objects.get_or_create(name=TEAM, defaults={"title": title})
    user = User.objects.filter(username=USER).first()
    if user is not None and kept.is_file() and user.check_password(kept.read_text()):
        password = kept.read_text()
    else:
        password = secrets.token_urlsafe(12)
        if user is None:
            user = users.make(name=USER, password=password, roles=ROLES, team=TEAM)
        else:
            user.set_password(password)
            user.save()
        kept.touch(mode=0o600)
        kept.write_text(password)
    # An example that was loaded before there was a market: its person had no team.
    for role in ROLES:
        Membership.objects.get_or_create(user=user, team=team, role=role)
    own = principals.of_user(user=user)
    Principal.objects.filter(pk=own.pk, team__isnull=True).update(team=team)
    return user, password


def _load_fleet(caller: "Caller", *, now: datetime, say: Say) -> tuple[int, datetime]:
    from .living_example import fleet, loading

    described = fleet.read()
    say(
        f"A simulated fleet: {len(described.assistants)} assistants, {len(described.prompts)} "
        "prompts, 90 days of evidence"
    )
    with output.progress("simulated days") as progress:
        loaded = loading.load(fleet=described, console=caller, now=now, progress=progress)
    say(f"  {loaded.events:,} events recorded" if loaded.events else "  there already")
    return loaded.events, loaded.start


def _load_market(
    caller: "Caller", *, visitor: "User", start: datetime, now: datetime, say: Say
) -> int:
    from mintmark.trust import projector

    from .living_example import bundles, fleet, trading

    say("A simulated market: the fleet's teams list, buy, fork, put to work and rate")
    with output.progress("simulated trade") as progress:
        traded = trading.load(
            described=fleet.read(),
            console=caller,
            visitor=visitor,
            start=start,
            now=now,
            progress=progress,
        )
    projector.advance(now=now)
    added = f"  {traded.listings} listings, {traded.purchases} purchases, {traded.events} events"
    say(added if traded.purchases else "  there already")
    if signed := bundles.keep(now=now):
        say(f"  {signed} signed bundles: the receipts of sets, and one set to carry elsewhere")
    return traded.events


def _rehearse(visitor: "User", *, now: datetime, say: Say) -> None:
    from mintmark.trust import projector

    from .living_example import rehearsals

    say("Rehearsed runs of a ritual: no language model, made-up replies")
    done = rehearsals.play(visitor=visitor, now=now)
    projector.advance(now=now)
    say(f"  {done} runs" if done else "  there already")


def _first_steps(visitor: "User", *, market: str) -> list[str]:
    """What to try first, as things stand now."""
    from mintmark.accounts import callers
    from mintmark.core import money
    from mintmark.market import requests
    from mintmark.market.models import PurchaseRequest
    from mintmark.tokens import book

    caller = callers.from_user(user=visitor)
    own = caller.principal.pk
    held = money.shown(book.balances([own]).get(own, 0))
    steps = [
        f"Try the market first: {market} (you operate the assistants of team {TEAM} and hold {held} tokens)"
    ]
    waiting = requests.visible_to(caller=caller).filter(state=PurchaseRequest.State.WAITING).first()
    if waiting is not None and waiting.listing is not None:
        steps.append(
            f"{waiting.buyer.name} asks you whether it may buy {waiting.listing.prompt.reference} for "
            f"{money.shown(waiting.price_micro)} tokens"
        )
    return steps


def _load_corpus(caller: "Caller", *, now: datetime, say: Say) -> int:
    from mintmark.importers import multiprompt, paraphrases

    folder = _corpus_folder()
    if folder is None:
        say("No real corpus found (MINTMARK_DATA names no folder with multiprompt/ in it)")
        return 0
    found = paraphrases.read(folder=folder)
    corpus = replace(found, tasks=[task for task in found.tasks if task.name in TASKS])
    counts = corpus.counts()
    say(
        f"Real evidence: {counts['tasks']} tasks of the multi-prompt corpus, "
        f"{counts['paraphrases']:,} prompts on {counts['models']} language models"
    )
    with output.progress("real prompts") as progress:
        report = multiprompt.load(
            corpus=corpus, source=str(folder), caller=caller, now=now, progress=progress
        )
    say(f"  {report.recorded:,} events recorded" if report.recorded else "  there already")
    return report.recorded


def _corpus_folder() -> Path | None:
    repository = Path(__file__).resolve().parents[2]
    data = Path(os.environ.get("MINTMARK_DATA") or repository.parent / "shared" / "data")
    folder = data / "multiprompt"
    return folder if folder.is_dir() else None


def _calibrate(caller: "Caller", *, now: datetime, changed: bool, say: Say) -> int:
    """Fold what is recorded and, if there is news, learn the priors from it; the policy in force."""
    from mintmark.reputation import policies
    from mintmark.trust import calibration, projector

    projector.advance(now=now)
    standing = policies.in_force()
    if not changed and standing.learned_from:
        return int(standing.version)
    say("Learning the priors from the evidence")
    done = calibration.calibrate(
        now=now, author=caller.principal, note="the living example", progress=output.step
    )
    say(f"  policy v{done.policy.version}, learned from {done.learned_from:,} measured events")
    return int(done.policy.version)
