"""`mintmark ritual`."""

from datetime import UTC, datetime
from pathlib import Path

import click

from . import exits, holders, installation, output, ritual_runs, written

_KINDS = ("openai", "transcript", "rehearsal")
_by = click.option(
    "--by", "person", metavar="USER", help="Who does it: an operator. [default: console]"
)


@click.group()
def ritual() -> None:
    """Define rituals, say how assistants are reached, run prompts."""


@ritual.command()
@click.argument("file", type=click.Path(path_type=Path))
@output.json_option
def load(*, file: Path, as_json: bool) -> None:
    """Register the ritual that FILE (YAML or JSON) defines.

    The same definition again changes nothing, a changed one becomes the next version.
    """
    installation.open_database()
    from mintmark.registry.models import Ritual
    from mintmark.rituals import definitions

    definition = definitions.read(written.raw(file))
    before = Ritual.objects.filter(name=definition.name).count()
    made = definitions.register(definition)
    is_new = Ritual.objects.filter(name=definition.name).count() > before
    if as_json:
        output.print_json(
            {
                "id": made.pk,
                "ritual": str(made),
                "tag": made.tag,
                "cases": len(definition.cases),
                "created": is_new,
            }
        )
        return
    did = "registered" if is_new else "there already"
    output.say(f"{made}: {len(definition.cases)} cases, {made.tag}; {did}.")


@ritual.command(name="list")
@output.json_option
def list_(*, as_json: bool) -> None:
    """List the rituals, with their cases and how often they were run."""
    installation.open_database()
    from django.db.models import Count

    from mintmark.registry.models import Ritual

    found = [
        {
            "id": one.pk,
            "ritual": str(one),
            "tag": one.tag,
            "cases": len(one.definition.get("cases", [])),
            "runs": one.kept_runs,
        }
        for one in Ritual.objects.annotate(kept_runs=Count("runs")).order_by("name", "version")
    ]
    if as_json:
        output.print_json(found)
        return
    output.print_table(
        columns=["ritual", "tag", "cases", "runs"],
        rows=[[r["ritual"], r["tag"], r["cases"] or "by name alone", r["runs"]] for r in found],
        empty="No ritual yet: `mintmark ritual load FILE` registers one.",
        right=["cases", "runs"],
    )


@ritual.command()
@click.argument("assistant")
@click.option("--kind", type=click.Choice(_KINDS), required=True, help="How it is reached.")
@click.option("--base-url", default="", help="The endpoint, such as https://api.example.com/v1.")
@click.option("--model", default="", help="The model's name there.")
@click.option("--key-name", default="", help="The environment variable that holds the key.")
@click.option("--timeout", type=float, default=60.0, show_default=True, help="Seconds a call.")
@click.option("--attempts", type=int, default=4, show_default=True, help="Attempts at a call.")
@click.option("--at-once", type=int, default=4, show_default=True, help="Calls at once.")
@click.option("--per-minute", type=int, default=0, help="Calls a minute. [default: no limit]")
@click.option("--price-in", default="0", help="Price of 1,000 tokens that go in.")
@click.option("--price-out", default="0", help="Price of 1,000 tokens that come out.")
@click.option("--currency", default="USD", show_default=True, help="Of prices and caps.")
@click.option("--cost-cap", default=None, help="What one run may cost at most.")
@click.option("--judge", default=None, help="The assistant that decides its rubrics.")
@click.option(
    "--transcript",
    "file",
    type=click.Path(path_type=Path),
    help="With --kind transcript: its replies, a list of {case, output} in YAML or JSON.",
)
@_by
@output.json_option
def runner(
    *,
    assistant: str,
    kind: str,
    base_url: str,
    model: str,
    key_name: str,
    timeout: float,
    attempts: int,
    at_once: int,
    per_minute: int,
    price_in: str,
    price_out: str,
    currency: str,
    cost_cap: str | None,
    judge: str | None,
    file: Path | None,
    person: str | None,
    as_json: bool,
) -> None:
    """Say how ASSISTANT is reached, in the place of what was said before.

    The key itself is never given: --key-name names the variable that holds it where rituals run.
    """
    installation.open_database()
    from mintmark.registry import assistants
    from mintmark.rituals import configurations, documents
    from mintmark.rituals.runners import transcript

    setup = configurations.Setup(
        kind=kind,
        base_url=base_url,
        model=model,
        key_name=key_name,
        timeout_seconds=timeout,
        attempts=attempts,
        at_once=at_once,
        per_minute=per_minute,
        price_in_micro=output.micro(price_in),
        price_out_micro=output.micro(price_out),
        currency=currency,
        cost_cap_micro=None if cost_cap is None else output.micro(cost_cap),
        judge=assistants.named(reference=judge) if judge is not None else None,
        transcript=transcript.checked(documents.read(written.raw(file)))
        if file is not None
        else None,
    )
    made = configurations.configure(
        caller=holders.acting(person=person),
        assistant=assistants.named(reference=assistant),
        setup=setup,
        now=datetime.now(UTC),
    )
    if as_json:
        output.print_json(
            {
                "assistant": made.assistant.name,
                "kind": made.kind,
                "base_url": made.base_url,
                "model": made.model,
                "key_name": made.key_name,
            }
        )
        return
    output.say(f"{made.assistant} is reached by {made.get_kind_display()}.")


@ritual.command(name="try")
@click.argument("assistant")
@_by
@output.json_option
@click.pass_context
def try_(context: click.Context, *, assistant: str, person: str | None, as_json: bool) -> None:
    """Ask the endpoint of ASSISTANT for one word: does it answer, and how fast?

    Nothing is recorded; the endpoint may charge for it. Exit code 1 where it does not answer.
    """
    installation.open_database()
    from mintmark.registry import assistants
    from mintmark.rituals import trials

    found = trials.call(
        caller=holders.acting(person=person), assistant=assistants.named(reference=assistant)
    )
    if as_json:
        output.print_json(
            {
                "answers": found.answers,
                "model": found.model,
                "problem": found.problem,
                "says": found.says,
                "latency_ms": found.latency_ms,
                "tokens_in": found.tokens_in,
                "tokens_out": found.tokens_out,
            }
        )
    elif found.answers:
        output.say(f"{found.model} answers, in {found.latency_ms:,.0f} ms.")
    else:
        output.say(f"{found.model} does not answer ({found.problem}): {found.says}.")
    context.exit(exits.DONE if found.answers else exits.PROBLEM)


@ritual.command()
@click.argument("name", metavar="RITUAL")
@click.option("--prompt", required=True, help="The prompt: namespace/name@revision, or its id.")
@click.option("--assistant", required=True, help="The assistant that runs it.")
@click.option("--frames", type=int, default=0, help="Dreamframes beside the plain frame.")
@click.option("--seed", type=int, default=0, help="From which frames are drawn.")
@click.option("--cost-cap", default=None, help="What this run may cost at most.")
@click.option("--key", default=None, help="A key of one's own: the same again starts nothing.")
@click.option("--queue", is_flag=True, help="Leave it to a worker, and return at once.")
@_by
@output.json_option
@click.pass_context
def run(
    context: click.Context,
    *,
    name: str,
    prompt: str,
    assistant: str,
    frames: int,
    seed: int,
    cost_cap: str | None,
    key: str | None,
    queue: bool,
    person: str | None,
    as_json: bool,
) -> None:
    """Run a prompt with an assistant under RITUAL, and wait for what comes of it.

    Ctrl-C gives the run back: a worker goes on with it, and so does `mintmark ritual resume`.
    """
    installation.open_database()
    from mintmark.registry import assistants, prompts, rituals
    from mintmark.rituals import runs

    started = runs.start(
        caller=holders.acting(person=person),
        prompt=prompts.named(reference=prompt),
        assistant=assistants.named(reference=assistant),
        ritual=rituals.named(reference=name),
        frames=frames,
        seed=seed,
        cost_cap_micro=None if cost_cap is None else output.micro(cost_cap),
        key=key,
        now=datetime.now(UTC),
    )
    ritual_runs.see_through(started, context=context, queue=queue, as_json=as_json)


@ritual.command()
@click.argument("number", metavar="RUN", type=int)
@click.option("--cost-cap", default=None, help="A new cap in the place of the run's.")
@click.option("--queue", is_flag=True, help="Leave it to a worker, and return at once.")
@_by
@output.json_option
@click.pass_context
def resume(
    context: click.Context,
    *,
    number: int,
    cost_cap: str | None,
    queue: bool,
    person: str | None,
    as_json: bool,
) -> None:
    """Go on with RUN where it stopped: what is done is not asked again, what failed is."""
    installation.open_database()
    from mintmark.rituals import runs

    caller = holders.acting(person=person)
    resumed = runs.resume(
        caller=caller,
        run=ritual_runs.named(number, person=person),
        cost_cap_micro=None if cost_cap is None else output.micro(cost_cap),
        now=datetime.now(UTC),
    )
    ritual_runs.see_through(resumed, context=context, queue=queue, as_json=as_json)


@ritual.command()
@click.argument("number", metavar="[RUN]", type=int, required=False)
@click.option("--limit", type=click.IntRange(1, 1000), default=20, help="Without RUN: how many.")
@output.json_option
def status(*, number: int | None, limit: int, as_json: bool) -> None:
    """Show how far RUN is, or without it the newest runs."""
    installation.open_database()
    from mintmark.rituals import runs

    if number is not None:
        ritual_runs.show(ritual_runs.named(number, person=None), as_json=as_json)
        return
    newest = runs.visible_to(caller=holders.acting())[:limit]
    told = [ritual_runs.plain(one) for one in newest]
    if as_json:
        output.print_json(told)
        return
    output.print_table(
        columns=["run", "state", "cases", "frames", "score", "prompt", "assistant", "ritual"],
        rows=[
            [
                one["run"],
                one["state"],
                f"{one['done']}/{one['cases']}",
                f"{one['frames_done']}/{one['frames']}",
                "" if one["score"] is None else f"{one['score']:.3f}",
                one["prompt"],
                one["assistant"],
                one["ritual"],
            ]
            for one in told
        ],
        empty="Nothing was run yet: `mintmark ritual run` runs a prompt.",
        right=["run", "cases", "frames", "score"],
    )


@ritual.command()
@click.argument("number", metavar="RUN", type=int)
@_by
@output.json_option
def cancel(*, number: int, person: str | None, as_json: bool) -> None:
    """End RUN at once; what is done stays."""
    installation.open_database()
    from mintmark.rituals import runs

    cancelled = runs.cancel(
        caller=holders.acting(person=person),
        run=ritual_runs.named(number, person=person),
        now=datetime.now(UTC),
    )
    ritual_runs.show(cancelled, as_json=as_json)
