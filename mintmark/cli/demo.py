"""`mintmark demo`."""

import os
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import bootstrap, output, serve

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
    bootstrap.open_settings()
    if not no_serve:
        serve.require_free(host=host, port=port)
    from django.conf import settings

    def say(step: str) -> None:
        output.print_message(step, as_json=as_json)

    say(f"Keeping everything in {settings.HOME}")
    if pending := bootstrap.list_pending_migrations():
        say(f"Creating the database: {len(pending)} migrations")
        bootstrap.migrate()
    _require_own_database()

    from . import actor

    caller = actor.get_caller()
    visitor, password = _prepare_sign_in()
    now = datetime.now(UTC)
    loaded, start = _load_fleet(caller, now=now, say=say)
    loaded += _load_corpus(caller, now=now, say=say) if corpus else 0
    policy = _calibrate(caller, now=now, changed=bool(loaded), say=say)
    loaded += _load_market(caller, visitor=visitor, start=start, now=now, say=say)
    _play_rehearsals(visitor, now=now, say=say)
    _play_claims(caller, now=now, say=say)
    address = serve.build_address(host=host, port=port)
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
    greeting = (sign_in, *_list_first_steps(visitor, market=market))
    if no_serve:
        for message in greeting:
            say(message)
        say("Ready: `mintmark serve` serves it")
    else:
        serve.run_server(host=host, port=port, workers=None, greeting=() if as_json else greeting)


def _require_own_database() -> None:
    """Refuse to load an example into somebody's real installation."""
    from mintmark.accounts.models import User
    from mintmark.registry.models import Prompt

    if Prompt.objects.exists() and not User.objects.filter(username=USER).exists():
        raise bootstrap.NotReady(
            "This database holds prompts and was not made by the demo. The example is not mixed into it: name "
            "another folder in MINTMARK_HOME (or another database), or use `mintmark serve`."
        )


def _prepare_sign_in() -> tuple["User", str]:
    """The demo's person, operator and author of a simulated team, and their password.

    It is kept in the home folder to be printed again.
    """
    from django.conf import settings

    from mintmark.accounts import principals
    from mintmark.accounts.models import Membership, Principal, Team, User
    from mintmark.demo import fleet

    from . import users

    password_file: Path = settings.HOME / "demo_password"
    title = next(team.title for team in fleet.read_fleet().teams if team.name == TEAM)
    team, _ = Team.objects.get_or_create(name=TEAM, defaults={"title": title})
    user = User.objects.filter(username=USER).first()
    if (
        user is not None
        and password_file.is_file()
        and user.check_password(password_file.read_text())
    ):
        password = password_file.read_text()
    else:
        password = secrets.token_urlsafe(12)
        if user is None:
            user = users.create_user(name=USER, password=password, roles=ROLES, team=TEAM)
        else:
            user.set_password(password)
            user.save()
        password_file.touch(mode=0o600)
        password_file.write_text(password)
    # An example that was loaded before there was a market: its person had no team.
    for role in ROLES:
        Membership.objects.get_or_create(user=user, team=team, role=role)
    principal = principals.get_or_create_for_user(user=user)
    Principal.objects.filter(pk=principal.pk, team__isnull=True).update(team=team)
    return user, password


def _load_fleet(caller: "Caller", *, now: datetime, say: Say) -> tuple[int, datetime]:
    from mintmark.demo import fleet, loading

    described = fleet.read_fleet()
    say(
        f"A simulated fleet: {len(described.assistants)} assistants, {len(described.prompts)} "
        "prompts, 90 days of evidence"
    )
    with output.show_progress("simulated days") as progress:
        loaded = loading.load_fleet(fleet=described, console=caller, now=now, progress=progress)
    say(f"  {loaded.events:,} events recorded" if loaded.events else "  there already")
    return loaded.events, loaded.start


def _load_market(
    caller: "Caller", *, visitor: "User", start: datetime, now: datetime, say: Say
) -> int:
    from mintmark.demo import bundles, fleet, market
    from mintmark.projection import projector

    say("A simulated market: the fleet's teams list, buy, fork, put to work and rate")
    with output.show_progress("simulated trade") as progress:
        traded = market.play_market(
            described=fleet.read_fleet(),
            console=caller,
            visitor=visitor,
            start=start,
            now=now,
            progress=progress,
        )
    projector.project_pending(now=now)
    added = f"  {traded.listings} listings, {traded.purchases} purchases, {traded.events} events"
    say(added if traded.purchases else "  there already")
    if signed := bundles.create_bundles(now=now):
        say(f"  {signed} signed bundles: the receipts of sets, and one set to carry elsewhere")
    return traded.events


def _play_rehearsals(visitor: "User", *, now: datetime, say: Say) -> None:
    from mintmark.demo import runs
    from mintmark.projection import projector

    say("Rehearsed runs of a ritual: no language model, made-up replies")
    run_count = runs.play_rehearsals(visitor=visitor, now=now)
    projector.project_pending(now=now)
    say(f"  {run_count} runs" if run_count else "  there already")


def _play_claims(caller: "Caller", *, now: datetime, say: Say) -> None:
    from mintmark.demo import claims

    say("Two agencies report outcomes, one of them falsely; some of it is run again")
    audits = claims.play_claims(console=caller, now=now)
    say(f"  {audits} audits: see Measure, Reporters" if audits else "  there already")


def _list_first_steps(visitor: "User", *, market: str) -> list[str]:
    """What to try first, given the present state."""
    from mintmark.accounts import callers
    from mintmark.common import amounts
    from mintmark.market import purchase_requests
    from mintmark.market.models import PurchaseRequest
    from mintmark.tokens import book

    caller = callers.from_user(user=visitor)
    principal_id = caller.principal.pk
    balance = amounts.format_tokens(book.get_balances([principal_id]).get(principal_id, 0))
    steps = [
        f"Try the market first: {market} (you operate the assistants of team {TEAM} and hold {balance} credits)"
    ]
    waiting = (
        purchase_requests.visible_to(caller=caller)
        .filter(state=PurchaseRequest.State.WAITING)
        .first()
    )
    if waiting is not None and waiting.listing is not None:
        steps.append(
            f"{waiting.buyer.name} asks you whether it may buy {waiting.listing.prompt.reference} for "
            f"{amounts.format_tokens(waiting.price_micro)} credits"
        )
    return steps


def _load_corpus(caller: "Caller", *, now: datetime, say: Say) -> int:
    from mintmark.demo import loading
    from mintmark.integrations import multiprompt, multiprompt_reader

    folder = _find_corpus_folder()
    if folder is None:
        say("No real corpus found (MINTMARK_DATA names no folder with multiprompt/ in it)")
        return 0
    full_corpus = multiprompt_reader.load_corpus(folder=folder)
    corpus = replace(full_corpus, tasks=[task for task in full_corpus.tasks if task.name in TASKS])
    counts = corpus.count_contents()
    say(
        f"Real evidence: {counts['tasks']} tasks of the multi-prompt corpus, "
        f"{counts['paraphrases']:,} prompts on {counts['models']} language models"
    )
    # Published measurements: without this they would count for the corpus's own team alone.
    loading.vouch_for(caller, console=caller, reason="imports the published corpus", now=now)
    with output.show_progress("real prompts") as progress:
        report = multiprompt.load(
            corpus=corpus, source=str(folder), caller=caller, now=now, progress=progress
        )
    say(f"  {report.recorded:,} events recorded" if report.recorded else "  there already")
    return report.recorded


def _find_corpus_folder() -> Path | None:
    repository = Path(__file__).resolve().parents[2]
    data = Path(os.environ.get("MINTMARK_DATA") or repository.parent / "shared" / "data")
    folder = data / "multiprompt"
    return folder if folder.is_dir() else None


def _calibrate(caller: "Caller", *, now: datetime, changed: bool, say: Say) -> int:
    """Fold what is recorded and, if there is news, learn the priors from it; the policy in force."""
    from mintmark.projection import calibration, policies, projector

    projector.project_pending(now=now)
    current_policy = policies.get_current()
    if not changed and current_policy.learned_from:
        return int(current_policy.version)
    say("Learning the priors from the evidence")
    result = calibration.calibrate(
        now=now, author=caller.principal, note="the living example", progress=output.print_step
    )
    say(f"  policy v{result.policy.version}, learned from {result.learned_from:,} measured events")
    return int(result.policy.version)
