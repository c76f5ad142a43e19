"""`mintmark compare`: which of two prompts does better, by a test that may be watched."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from . import errands, exits, holders, installation, output

if TYPE_CHECKING:
    from mintmark.rituals.comparisons import Told
    from mintmark.rituals.models import Comparison

_by = click.option(
    "--by", "person", metavar="USER", help="Who does it: an operator. [default: console]"
)
_queue = click.option("--queue", is_flag=True, help="Leave it to a worker, and return at once.")


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
    help="Chance to call one better that is not.",
)
@click.option(
    "--margin", type=float, default=0.03, show_default=True, help="So close are equals, in score."
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
@click.option("--key", default=None, help="A key of one's own: the same again starts nothing.")
@_queue
@_by
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
    installation.open_database()
    from mintmark.registry import assistants, prompts, rituals
    from mintmark.rituals import comparisons

    started = comparisons.start(
        caller=holders.acting(person=person),
        first=prompts.named(reference=first),
        second=prompts.named(reference=second),
        assistant=assistants.named(reference=assistant),
        ritual=rituals.named(reference=ritual),
        alpha=alpha,
        margin=margin,
        most_pairs=most,
        seed=seed,
        cost_cap_micro=None if cost_cap is None else output.micro(cost_cap),
        key=key,
        now=datetime.now(UTC),
    )
    _see_through(started, context=context, queue=queue, as_json=as_json)


@compare.command(name="list")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@output.json_option
def list_(*, limit: int, as_json: bool) -> None:
    """List the newest comparisons."""
    installation.open_database()
    from mintmark.rituals import comparisons

    newest = comparisons.visible_to(caller=holders.acting())[:limit]
    told = [_plain(one) for one in newest]
    if as_json:
        output.print_json(told)
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
                one["comparison"],
                one["state"],
                one["pairs"],
                one["decision"],
                f"{100 * one['low']:+.0f} to {100 * one['high']:+.0f}",
                one["first"],
                one["second"],
                one["assistant"],
                one["ritual"],
            ]
            for one in told
        ],
        empty="Nothing was compared yet: `mintmark compare start` compares two prompts.",
        right=["id", "pairs"],
    )


@compare.command()
@click.argument("number", metavar="ID", type=int)
@output.json_option
def show(*, number: int, as_json: bool) -> None:
    """Show what comparison ID says now."""
    installation.open_database()
    from mintmark.rituals import comparisons

    _show(comparisons.named(caller=holders.acting(), pk=number), as_json=as_json)


@compare.command()
@click.argument("number", metavar="ID", type=int)
@_by
@output.json_option
def stop(*, number: int, person: str | None, as_json: bool) -> None:
    """End comparison ID at once; what it says stays true."""
    installation.open_database()
    from mintmark.rituals import comparisons

    caller = holders.acting(person=person)
    stopped = comparisons.stop(
        caller=caller,
        comparison=comparisons.named(caller=caller, pk=number),
        now=datetime.now(UTC),
    )
    _show(stopped, as_json=as_json)


@compare.command()
@click.argument("number", metavar="ID", type=int)
@click.option("--most", type=int, default=None, help="More pairs than it was to run.")
@click.option("--cost-cap", default=None, help="A new cap in the place of the old.")
@_queue
@_by
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
    installation.open_database()
    from mintmark.rituals import comparisons

    caller = holders.acting(person=person)
    resumed = comparisons.resume(
        caller=caller,
        comparison=comparisons.named(caller=caller, pk=number),
        cost_cap_micro=None if cost_cap is None else output.micro(cost_cap),
        most_pairs=most,
    )
    _see_through(resumed, context=context, queue=queue, as_json=as_json)


def _see_through(
    comparison: "Comparison", *, context: click.Context, queue: bool, as_json: bool
) -> None:
    """Work on a comparison here until it ends, beside any worker that has taken it already."""
    from mintmark.rituals import matching

    interrupted = False
    if not queue:
        interrupted = errands.work_on(
            comparison,
            work=matching.work,
            what="pairs",
            progress=lambda: (
                type(comparison).objects.values_list("counted", flat=True).get(pk=comparison.pk),
                comparison.most_pairs,
            ),
        )
        comparison.refresh_from_db()
    _show(comparison, as_json=as_json)
    if interrupted:
        context.exit(exits.INTERRUPTED)
    if not queue and comparison.state != comparison.State.DONE:
        context.exit(exits.PROBLEM)


def _show(comparison: "Comparison", *, as_json: bool) -> None:
    from mintmark.rituals import comparisons

    if as_json:
        output.print_json(_plain(comparison))
        return
    told = comparisons.told(comparison)
    first, second = comparison.first.reference, comparison.second.reference
    output.say(
        f"Comparison {comparison.pk}: {first} and {second} by {comparison.assistant}, {comparison.ritual}: {told.state}"
        + (f" ({told.reason})" if told.reason else "")
    )
    said = told.verdict
    output.say(f"{_decided(told, first=first, second=second)}, after {said.pairs:,} pairs.")
    output.say(
        f"Difference {100 * said.mean:+.1f} points; with a chance of {1 - comparison.alpha:.0%} at all looks together "
        f"{100 * said.low:+.0f} to {100 * said.high:+.0f}; p {said.p_value:.3g}."
    )
    if told.decision.value == "open":
        more = said.until_decided
        output.say(
            "When it will be decided is not in sight yet."
            if more is None
            else f"It likely takes {more:,} pairs more."
        )
    if told.failed:
        output.say(f"{told.failed} calls failed; `mintmark compare resume` asks them again.")
    if told.spent_micro or told.lost_micro:
        output.say(
            f"It cost {told.spent_micro / 1e6:g} {told.currency}, at most {told.lost_micro / 1e6:g} lost."
        )


def _decided(told: "Told", *, first: str, second: str) -> str:
    says = {
        "first": f"{first} is better",
        "second": f"{second} is better",
        "equal": "They are equal, within the margin",
        "open": "It is open which is better",
    }[told.decision.value]
    if not told.verdict.consistent:
        return "What is compared changed meanwhile, or chance played a rare trick: it is open"
    return says


def _plain(comparison: "Comparison") -> dict[str, Any]:
    from mintmark.rituals import comparisons

    told = comparisons.told(comparison)
    said = told.verdict
    return {
        "comparison": comparison.pk,
        "first": comparison.first.reference,
        "second": comparison.second.reference,
        "assistant": comparison.assistant.name,
        "ritual": str(comparison.ritual),
        "state": told.state,
        "reason": told.reason,
        "decision": told.decision.value,
        "consistent": said.consistent,
        "pairs": said.pairs,
        "drawn": told.drawn,
        "most_pairs": told.most_pairs,
        "failed": told.failed,
        "mean": said.mean,
        "low": said.low,
        "high": said.high,
        "evidence": said.evidence,
        "p_value": said.p_value,
        "alpha": comparison.alpha,
        "margin": comparison.margin,
        "until_better": said.until_better,
        "until_equal": said.until_equal,
        "spent_micro": told.spent_micro,
        "lost_micro": told.lost_micro,
        "cost_cap_micro": told.cost_cap_micro,
        "currency": told.currency,
        "cases": [
            {"case": one.case, "weight": one.weight, "pairs": one.pairs, "mean": one.mean}
            for one in told.cases
        ],
    }
