"""A run of a ritual from the command line: see it through, find it, show it."""

from typing import TYPE_CHECKING, Any

import click

from . import errands, exits, holders, output

if TYPE_CHECKING:
    from mintmark.rituals.models import RitualRun


def see_through(run: "RitualRun", *, context: click.Context, queue: bool, as_json: bool) -> None:
    """Work on a run here until it ends, beside any worker that has taken it already."""
    interrupted = False
    if not queue:
        interrupted = _work_on(run)
        run.refresh_from_db()
    show(run, as_json=as_json)
    if interrupted:
        context.exit(exits.INTERRUPTED)
    if not queue and run.state != run.State.DONE:
        context.exit(exits.PROBLEM)


def _work_on(run: "RitualRun") -> bool:
    """Whether somebody ended it from here, by Ctrl-C."""
    from mintmark.rituals import execution, runs

    def progress() -> tuple[int, int]:
        told = runs.progress(run)
        return told.done + told.failed, told.cases

    return errands.work_on(run, work=execution.work, what="cases", progress=progress)


def show(run: "RitualRun", *, as_json: bool) -> None:
    told = plain(run)
    if as_json:
        output.print_json(told)
        return
    score = "no score yet" if told["score"] is None else f"score {told['score']:.3f}"
    output.say(
        f"Run {told['run']}: {told['prompt']} by {told['assistant']}, {told['ritual']}: {told['state']}"
        + (f" ({told['reason']})" if told["reason"] else "")
    )
    output.say(
        f"{told['done']} of {told['cases']} cases done, {told['failed']} failed; {told['frames_done']} of "
        f"{told['frames']} frames closed; {score}."
    )
    if told["spent_micro"] or told["lost_micro"]:
        lost = f", at most {told['lost_micro'] / 1e6:g} lost" if told["lost_micro"] else ""
        output.say(f"It cost {told['spent_micro'] / 1e6:g} {told['currency']}{lost}.")
    for frame in told["evidence"]:
        if frame["recorded"]:
            output.say(f"Frame {frame['frame']}: {frame['recorded']}.")


def plain(run: "RitualRun") -> dict[str, Any]:
    from mintmark.rituals import runs

    told = runs.progress(run)
    frames = run.frames.order_by("number").values_list("number", "score", "recorded")
    return {
        "run": run.pk,
        "prompt": run.prompt.reference,
        "assistant": run.assistant.name,
        "ritual": str(run.ritual),
        "runner": run.runner_kind,
        "state": told.state,
        "reason": told.reason,
        "cases": told.cases,
        "done": told.done,
        "failed": told.failed,
        "calling": told.calling,
        "frames": told.frames,
        "frames_done": told.frames_done,
        "score": told.score,
        "spent_micro": told.spent_micro,
        "lost_micro": told.lost_micro,
        "cost_cap_micro": told.cost_cap_micro,
        "currency": told.currency,
        "evidence": [
            {"frame": number, "score": score, "recorded": recorded}
            for number, score, recorded in frames
        ],
    }


def named(number: int, *, person: str | None) -> "RitualRun":
    from mintmark.rituals import runs

    return runs.named(caller=holders.acting(person=person), pk=number)
