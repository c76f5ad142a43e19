"""A run of a ritual from the command line: see it through, find it, show it."""

import functools
from typing import TYPE_CHECKING, Any

import click

from . import exit_codes, follow, output, resolve

if TYPE_CHECKING:
    from mintmark.rituals.models import RitualRun


def run_to_end(run: "RitualRun", *, context: click.Context, queue: bool, as_json: bool) -> None:
    """Work on a run here until it ends, beside any worker that has taken it already."""
    interrupted = False
    if not queue:
        interrupted = _run_here(run)
        run.refresh_from_db()
    print_run(run, as_json=as_json)
    if interrupted:
        context.exit(exit_codes.INTERRUPTED)
    if not queue and run.state != run.State.DONE:
        context.exit(exit_codes.PROBLEM)


def _run_here(run: "RitualRun") -> bool:
    """Whether somebody ended it from here, by Ctrl-C."""
    from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
    from mintmark.rituals import run_worker, runs

    def progress() -> tuple[int, int]:
        run_progress = runs.get_progress(run)
        return run_progress.done + run_progress.failed, run_progress.cases

    work = functools.partial(
        run_worker.process_next_run,
        on_recorded=SymbolicPromptTokenMarketplace().decide_measured_warranties,
    )
    return follow.run_to_end(run, work=work, label="cases", progress=progress)


def print_run(run: "RitualRun", *, as_json: bool) -> None:
    document = build_document(run)
    if as_json:
        output.print_json(document)
        return
    score = "no score yet" if document["score"] is None else f"score {document['score']:.3f}"
    output.print_message(
        f"Run {document['run']}: {document['prompt']} by {document['assistant']}, {document['ritual']}: "
        f"{document['state']}" + (f" ({document['reason']})" if document["reason"] else "")
    )
    output.print_message(
        f"{document['done']} of {document['cases']} cases done, {document['failed']} failed; {document['frames_done']} "
        f"of {document['frames']} frames closed; {score}."
    )
    if document["spent_micro"] or document["lost_micro"]:
        lost = f", at most {document['lost_micro'] / 1e6:g} lost" if document["lost_micro"] else ""
        output.print_message(
            f"It cost {document['spent_micro'] / 1e6:g} {document['currency']}{lost}."
        )
    for frame in document["evidence"]:
        if frame["recorded"]:
            output.print_message(f"Frame {frame['frame']}: {frame['recorded']}.")


def build_document(run: "RitualRun") -> dict[str, Any]:
    from mintmark.rituals import runs

    progress = runs.get_progress(run)
    frames = run.frames.order_by("number").values_list("number", "score", "recorded")
    return {
        "run": run.pk,
        "prompt": run.prompt.reference,
        "assistant": run.assistant.name,
        "ritual": str(run.ritual),
        "runner": run.runner_kind,
        "state": progress.state,
        "reason": progress.reason,
        "cases": progress.cases,
        "done": progress.done,
        "failed": progress.failed,
        "calling": progress.calling,
        "frames": progress.frames,
        "frames_done": progress.frames_done,
        "score": progress.score,
        "spent_micro": progress.spent_micro,
        "lost_micro": progress.lost_micro,
        "cost_cap_micro": progress.cost_cap_micro,
        "currency": progress.currency,
        "evidence": [
            {"frame": number, "score": score, "recorded": recorded}
            for number, score, recorded in frames
        ],
    }


def get_run(number: int, *, person: str | None) -> "RitualRun":
    from mintmark.rituals import runs

    return runs.get_run(caller=resolve.resolve_caller(person=person), pk=number)
