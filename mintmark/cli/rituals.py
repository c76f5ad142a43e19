"""`mintmark ritual`."""

from datetime import UTC, datetime
from pathlib import Path

import click

from . import bootstrap, exit_codes, input_file, output, resolve, ritual_runs

_KINDS = ("openai", "transcript", "rehearsal")
_by_option = click.option(
    "--by", "person", metavar="USER", help="Who does it: an operator. [default: console]"
)


@click.group()
def ritual() -> None:
    """Define tasks (rituals), configure how assistants are reached, run prompts."""


@ritual.command()
@click.argument("file", type=click.Path(path_type=Path))
@output.json_option
def load(*, file: Path, as_json: bool) -> None:
    """Register the task that FILE (YAML or JSON) defines.

    The same definition again changes nothing, a changed one becomes the next version.
    """
    bootstrap.open_database()
    from mintmark.registry.models import Ritual
    from mintmark.rituals import definitions

    definition = definitions.parse_definition(input_file.read_document(file))
    before = Ritual.objects.filter(name=definition.name).count()
    ritual_row = definitions.register_definition(definition, caller=resolve.resolve_caller())
    is_new = Ritual.objects.filter(name=definition.name).count() > before
    if as_json:
        output.print_json(
            {
                "id": ritual_row.pk,
                "ritual": str(ritual_row),
                "tag": ritual_row.tag,
                "cases": len(definition.cases),
                "created": is_new,
            }
        )
        return
    did = "registered" if is_new else "there already"
    output.print_message(f"{ritual_row}: {len(definition.cases)} cases, {ritual_row.tag}; {did}.")


@ritual.command(name="list")
@output.json_option
def list_(*, as_json: bool) -> None:
    """List the tasks, with their cases and how often they were run."""
    bootstrap.open_database()
    from django.db.models import Count

    from mintmark.registry.models import Ritual

    rows = [
        {
            "id": ritual_row.pk,
            "ritual": str(ritual_row),
            "tag": ritual_row.tag,
            "cases": len(ritual_row.definition.get("cases", [])),
            "runs": ritual_row.kept_runs,
        }
        for ritual_row in Ritual.objects.annotate(kept_runs=Count("runs")).order_by(
            "name", "version"
        )
    ]
    if as_json:
        output.print_json(rows)
        return
    output.print_table(
        columns=["ritual", "tag", "cases", "runs"],
        rows=[[r["ritual"], r["tag"], r["cases"] or "by name alone", r["runs"]] for r in rows],
        empty="No task yet: `mintmark ritual load FILE` registers one.",
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
@_by_option
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
    """Set how ASSISTANT is reached, replacing its present configuration.

    The key itself is never given: --key-name names the variable that holds it where tasks run.
    """
    bootstrap.open_database()
    from mintmark.common import documents
    from mintmark.registry import assistants
    from mintmark.rituals import runner_settings
    from mintmark.rituals.runners import transcript

    setup = runner_settings.RunnerSettingsInput(
        kind=kind,
        base_url=base_url,
        model=model,
        key_name=key_name,
        timeout_seconds=timeout,
        attempts=attempts,
        at_once=at_once,
        per_minute=per_minute,
        price_in_micro=output.parse_micro(price_in),
        price_out_micro=output.parse_micro(price_out),
        currency=currency,
        cost_cap_micro=None if cost_cap is None else output.parse_micro(cost_cap),
        judge=assistants.resolve(reference=judge) if judge is not None else None,
        transcript=transcript.validate_replies(
            documents.parse_document(input_file.read_document(file))
        )
        if file is not None
        else None,
    )
    runner_row = runner_settings.configure(
        caller=resolve.resolve_caller(person=person),
        assistant=assistants.resolve(reference=assistant),
        setup=setup,
        now=datetime.now(UTC),
    )
    if as_json:
        output.print_json(
            {
                "assistant": runner_row.assistant.name,
                "kind": runner_row.kind,
                "base_url": runner_row.base_url,
                "model": runner_row.model,
                "key_name": runner_row.key_name,
            }
        )
        return
    output.print_message(f"{runner_row.assistant} is reached by {runner_row.get_kind_display()}.")


@ritual.command(name="check-runner")
@click.argument("assistant")
@_by_option
@output.json_option
@click.pass_context
def check_runner(
    context: click.Context, *, assistant: str, person: str | None, as_json: bool
) -> None:
    """Ask the endpoint of ASSISTANT for one word: does it answer, and how fast?

    Nothing is recorded; the endpoint may charge for it. Exit code 1 where it does not answer.
    """
    bootstrap.open_database()
    from mintmark.registry import assistants
    from mintmark.rituals import runner_check

    check = runner_check.check_runner(
        caller=resolve.resolve_caller(person=person),
        assistant=assistants.resolve(reference=assistant),
    )
    if as_json:
        output.print_json(
            {
                "answers": check.answers,
                "model": check.model,
                "problem": check.problem,
                "message": check.message,
                "latency_ms": check.latency_ms,
                "tokens_in": check.tokens_in,
                "tokens_out": check.tokens_out,
            }
        )
    elif check.answers:
        output.print_message(f"{check.model} answers, in {check.latency_ms:,.0f} ms.")
    else:
        output.print_message(f"{check.model} does not answer ({check.problem}): {check.message}.")
    context.exit(exit_codes.DONE if check.answers else exit_codes.PROBLEM)


@ritual.command()
@click.argument("name", metavar="RITUAL")
@click.option("--prompt", required=True, help="The prompt: namespace/name@revision, or its id.")
@click.option("--assistant", required=True, help="The assistant that runs it.")
@click.option(
    "--frames", type=int, default=0, help="Dreamframes (perturbed contexts) beside the plain frame."
)
@click.option("--seed", type=int, default=0, help="From which frames are drawn.")
@click.option("--cost-cap", default=None, help="What this run may cost at most.")
@click.option(
    "--key",
    default=None,
    help="An idempotency key: the same command again starts nothing new.",
)
@click.option("--queue", is_flag=True, help="Leave it to a worker, and return at once.")
@_by_option
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
    """Run a prompt with an assistant on the task RITUAL, and wait for the result.

    Ctrl-C gives the run back: a worker goes on with it, and so does `mintmark ritual resume`.
    """
    bootstrap.open_database()
    from mintmark.registry import assistants, prompts, rituals
    from mintmark.rituals import runs

    started = runs.start(
        caller=resolve.resolve_caller(person=person),
        prompt=prompts.resolve(reference=prompt),
        assistant=assistants.resolve(reference=assistant),
        ritual=rituals.resolve(reference=name),
        frames=frames,
        seed=seed,
        cost_cap_micro=None if cost_cap is None else output.parse_micro(cost_cap),
        idempotency_key=key,
        now=datetime.now(UTC),
    )
    ritual_runs.run_to_end(started, context=context, queue=queue, as_json=as_json)


@ritual.command()
@click.argument("number", metavar="RUN", type=int)
@click.option("--cost-cap", default=None, help="A new cap in the place of the run's.")
@click.option("--queue", is_flag=True, help="Leave it to a worker, and return at once.")
@_by_option
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
    bootstrap.open_database()
    from mintmark.rituals import runs

    caller = resolve.resolve_caller(person=person)
    resumed = runs.resume(
        caller=caller,
        run=ritual_runs.get_run(number, person=person),
        cost_cap_micro=None if cost_cap is None else output.parse_micro(cost_cap),
        now=datetime.now(UTC),
    )
    ritual_runs.run_to_end(resumed, context=context, queue=queue, as_json=as_json)


@ritual.command()
@click.argument("number", metavar="[RUN]", type=int, required=False)
@click.option("--limit", type=click.IntRange(1, 1000), default=20, help="Without RUN: how many.")
@output.json_option
def status(*, number: int | None, limit: int, as_json: bool) -> None:
    """Show how far RUN is, or without it the newest runs."""
    bootstrap.open_database()
    from mintmark.rituals import runs

    if number is not None:
        ritual_runs.print_run(ritual_runs.get_run(number, person=None), as_json=as_json)
        return
    newest = runs.visible_to(caller=resolve.resolve_caller())[:limit]
    run_documents = [ritual_runs.build_document(row) for row in newest]
    if as_json:
        output.print_json(run_documents)
        return
    output.print_table(
        columns=["run", "state", "cases", "frames", "score", "prompt", "assistant", "ritual"],
        rows=[
            [
                row["run"],
                row["state"],
                f"{row['done']}/{row['cases']}",
                f"{row['frames_done']}/{row['frames']}",
                "" if row["score"] is None else f"{row['score']:.3f}",
                row["prompt"],
                row["assistant"],
                row["ritual"],
            ]
            for row in run_documents
        ],
        empty="Nothing was run yet: `mintmark ritual run` runs a prompt.",
        right=["run", "cases", "frames", "score"],
    )


@ritual.command()
@click.argument("number", metavar="RUN", type=int)
@_by_option
@output.json_option
def cancel(*, number: int, person: str | None, as_json: bool) -> None:
    """End RUN at once; what is done stays."""
    bootstrap.open_database()
    from mintmark.rituals import runs

    cancelled = runs.cancel(
        caller=resolve.resolve_caller(person=person),
        run=ritual_runs.get_run(number, person=person),
        now=datetime.now(UTC),
    )
    ritual_runs.print_run(cancelled, as_json=as_json)
