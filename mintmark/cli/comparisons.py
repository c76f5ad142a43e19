"""`mintmark compare`: which of two prompts does better, by a test that may be watched."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from . import bootstrap, exit_codes, follow, output, resolve

if TYPE_CHECKING:
    from mintmark.rituals.comparisons import ComparisonProgress
    from mintmark.rituals.models import Comparison

_by_option = click.option(
    "--by", "person", metavar="USER", help="Who does it: an operator. [default: console]"
)
_queue_option = click.option(
    "--queue", is_flag=True, help="Leave it to a worker, and return at once."
)


@click.group()
def compare() -> None:
    """Compare two prompts for one assistant, and stop whenever you have seen enough."""


@compare.command()
@click.argument("ritual")
@click.option("--first", required=True, help="A prompt: namespace/name@revision, or its id.")
@click.option("--second", required=True, help="The prompt to compare it with.")
@click.option("--assistant", required=True, help="The assistant that runs both.")
@click.option(
    "--alpha",
    type=float,
    default=0.05,
    show_default=True,
    help='Chance of a false "better".',
)
@click.option(
    "--margin",
    type=float,
    default=0.03,
    show_default=True,
    help="Differences up to this, in score, count as equal.",
)
@click.option(
    "--most",
    type=int,
    default=1_000,
    show_default=True,
    help="Pairs after which it ends undecided.",
)
@click.option("--seed", type=int, default=0, help="From which cases are drawn.")
@click.option("--cost-cap", default=None, help="What it may cost at most.")
@click.option(
    "--key",
    default=None,
    help="An idempotency key: the same command again starts nothing new.",
)
@_queue_option
@_by_option
@output.json_option
@click.pass_context
def start(
    context: click.Context,
    *,
    ritual: str,
    first: str,
    second: str,
    assistant: str,
    alpha: float,
    margin: float,
    most: int,
    seed: int,
    cost_cap: str | None,
    key: str | None,
    queue: bool,
    person: str | None,
    as_json: bool,
) -> None:
    """Run two prompts on cases of RITUAL, pair by pair, until one is better or both are equal.

    Ctrl-C gives it back: a worker goes on with it, and so does `mintmark compare resume`.
    """
    bootstrap.open_database()
    from mintmark.registry import assistants, prompts, rituals
    from mintmark.rituals import comparisons

    started = comparisons.start(
        caller=resolve.resolve_caller(person=person),
        first=prompts.resolve(reference=first),
        second=prompts.resolve(reference=second),
        assistant=assistants.resolve(reference=assistant),
        ritual=rituals.resolve(reference=ritual),
        alpha=alpha,
        margin=margin,
        most_pairs=most,
        seed=seed,
        cost_cap_micro=None if cost_cap is None else output.parse_micro(cost_cap),
        idempotency_key=key,
        now=datetime.now(UTC),
    )
    _run_to_end(started, context=context, queue=queue, as_json=as_json)


@compare.command(name="list")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@output.json_option
def list_(*, limit: int, as_json: bool) -> None:
    """List the newest comparisons."""
    bootstrap.open_database()
    from mintmark.rituals import comparisons

    newest = comparisons.visible_to(caller=resolve.resolve_caller())[:limit]
    documents = [_build_document(row) for row in newest]
    if as_json:
        output.print_json(documents)
        return
    output.print_table(
        columns=[
            "id",
            "state",
            "pairs",
            "decision",
            "difference",
            "first",
            "second",
            "assistant",
            "ritual",
        ],
        rows=[
            [
                row["comparison"],
                row["state"],
                row["pairs"],
                row["decision"],
                f"{100 * row['low']:+.0f} to {100 * row['high']:+.0f}",
                row["first"],
                row["second"],
                row["assistant"],
                row["ritual"],
            ]
            for row in documents
        ],
        empty="Nothing was compared yet: `mintmark compare start` compares two prompts.",
        right=["id", "pairs"],
    )


@compare.command()
@click.argument("number", metavar="ID", type=int)
@output.json_option
def show(*, number: int, as_json: bool) -> None:
    """Show what comparison ID says now."""
    bootstrap.open_database()
    from mintmark.rituals import comparisons

    _print_comparison(
        comparisons.get_comparison(caller=resolve.resolve_caller(), pk=number), as_json=as_json
    )


@compare.command()
@click.argument("number", metavar="ID", type=int)
@_by_option
@output.json_option
def stop(*, number: int, person: str | None, as_json: bool) -> None:
    """End comparison ID at once; what it says stays true."""
    bootstrap.open_database()
    from mintmark.rituals import comparisons

    caller = resolve.resolve_caller(person=person)
    stopped = comparisons.stop(
        caller=caller,
        comparison=comparisons.get_comparison(caller=caller, pk=number),
        now=datetime.now(UTC),
    )
    _print_comparison(stopped, as_json=as_json)


@compare.command()
@click.argument("number", metavar="ID", type=int)
@click.option("--most", type=int, default=None, help="More pairs than it was to run.")
@click.option("--cost-cap", default=None, help="A new cap in the place of the old.")
@_queue_option
@_by_option
@output.json_option
@click.pass_context
def resume(
    context: click.Context,
    *,
    number: int,
    most: int | None,
    cost_cap: str | None,
    queue: bool,
    person: str | None,
    as_json: bool,
) -> None:
    """Go on with comparison ID: what is done is not asked again, what failed is."""
    bootstrap.open_database()
    from mintmark.rituals import comparisons

    caller = resolve.resolve_caller(person=person)
    resumed = comparisons.resume(
        caller=caller,
        comparison=comparisons.get_comparison(caller=caller, pk=number),
        cost_cap_micro=None if cost_cap is None else output.parse_micro(cost_cap),
        most_pairs=most,
    )
    _run_to_end(resumed, context=context, queue=queue, as_json=as_json)


def _run_to_end(
    comparison: "Comparison", *, context: click.Context, queue: bool, as_json: bool
) -> None:
    """Work on a comparison here until it ends, beside any worker that has taken it already."""
    from mintmark.rituals import comparison_worker

    interrupted = False
    if not queue:
        interrupted = follow.run_to_end(
            comparison,
            work=comparison_worker.process_next_comparison,
            label="pairs",
            progress=lambda: (
                type(comparison).objects.values_list("counted", flat=True).get(pk=comparison.pk),
                comparison.most_pairs,
            ),
        )
        comparison.refresh_from_db()
    _print_comparison(comparison, as_json=as_json)
    if interrupted:
        context.exit(exit_codes.INTERRUPTED)
    if not queue and comparison.state != comparison.State.DONE:
        context.exit(exit_codes.PROBLEM)


def _print_comparison(comparison: "Comparison", *, as_json: bool) -> None:
    from mintmark.rituals import comparisons

    if as_json:
        output.print_json(_build_document(comparison))
        return
    progress = comparisons.get_progress(comparison)
    first, second = comparison.first.reference, comparison.second.reference
    output.print_message(
        f"Comparison {comparison.pk}: {first} and {second} by {comparison.assistant}, {comparison.ritual}: "
        f"{progress.state}" + (f" ({progress.reason})" if progress.reason else "")
    )
    result = progress.result
    output.print_message(
        f"{_describe_decision(progress, first=first, second=second)}, after {result.pairs:,} pairs."
    )
    output.print_message(
        f"Difference {100 * result.mean:+.1f} points; with a chance of {1 - comparison.alpha:.0%} at all looks "
        f"together {100 * result.low:+.0f} to {100 * result.high:+.0f}; p {result.p_value:.3g}."
    )
    if progress.decision.value == "open":
        pairs_left = result.until_decided
        output.print_message(
            "When it will be decided is not in sight yet."
            if pairs_left is None
            else f"It likely takes {pairs_left:,} pairs more."
        )
    if progress.failed:
        output.print_message(
            f"{progress.failed} calls failed; `mintmark compare resume` asks them again."
        )
    if progress.spent_micro or progress.lost_micro:
        output.print_message(
            f"It cost {progress.spent_micro / 1e6:g} {progress.currency}, at most {progress.lost_micro / 1e6:g} lost."
        )


def _describe_decision(progress: "ComparisonProgress", *, first: str, second: str) -> str:
    message = {
        "first": f"{first} is better",
        "second": f"{second} is better",
        "equal": "They are equal, within the margin",
        "open": "It is open which is better",
    }[progress.decision.value]
    if not progress.result.consistent:
        return "What is compared changed meanwhile, or chance played a rare trick: it is open"
    return message


def _build_document(comparison: "Comparison") -> dict[str, Any]:
    from mintmark.rituals import comparisons

    progress = comparisons.get_progress(comparison)
    result = progress.result
    return {
        "comparison": comparison.pk,
        "first": comparison.first.reference,
        "second": comparison.second.reference,
        "assistant": comparison.assistant.name,
        "ritual": str(comparison.ritual),
        "state": progress.state,
        "reason": progress.reason,
        "decision": progress.decision.value,
        "consistent": result.consistent,
        "pairs": result.pairs,
        "drawn": progress.pairs_drawn,
        "most_pairs": progress.most_pairs,
        "failed": progress.failed,
        "mean": result.mean,
        "low": result.low,
        "high": result.high,
        "evidence": result.evidence,
        "p_value": result.p_value,
        "alpha": comparison.alpha,
        "margin": comparison.margin,
        "until_better": result.until_better,
        "until_equal": result.until_equal,
        "spent_micro": progress.spent_micro,
        "lost_micro": progress.lost_micro,
        "cost_cap_micro": progress.cost_cap_micro,
        "currency": progress.currency,
        "cases": [
            {"case": case.case, "weight": case.weight, "pairs": case.pairs, "mean": case.mean}
            for case in progress.cases
        ],
    }
