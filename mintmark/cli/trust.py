"""`mintmark trust`."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from . import bootstrap, output

if TYPE_CHECKING:
    from mintmark.scoring.estimate import Estimate


@click.command()
@click.argument("assistant")
@click.argument("prompt")
@click.option(
    "--task", help="A ritual, by name, name@version or id; by default the prompt's home task."
)
@click.option("--own", is_flag=True, help="As its team sees it: with all that the team reported.")
@output.json_option
def trust(*, assistant: str, prompt: str, task: str | None, own: bool, as_json: bool) -> None:
    """Tell how far ASSISTANT can trust PROMPT on a task, and what it measured on others."""
    bootstrap.open_database()
    from mintmark.registry import assistants, prompts, rituals
    from mintmark.trust.tracker import AssistantTrustTracker

    assistant_row = assistants.resolve(reference=assistant)
    explanation = AssistantTrustTracker(own_team=assistant_row.team_id if own else None).explain(
        assistant=assistant_row,
        prompt=prompts.resolve(reference=prompt),
        ritual=rituals.resolve(reference=task) if task is not None else None,
        now=datetime.now(UTC),
    )
    row = explanation.row
    if as_json:
        output.print_json(
            {
                "assistant": assistant_row.name,
                "prompt": row.prompt.reference,
                "ritual": str(row.ritual) if row.ritual is not None else None,
                "trust": _build_document(row.trust),
                "gate_low": row.bound if not own else None,
                "other_tasks": [
                    {"ritual": str(other.ritual), "trust": _build_document(other.trust)}
                    for other in row.other_tasks
                ],
                "as_of": explanation.as_of,
                "policy": explanation.policy,
            }
        )
        return
    task_text = f" on {row.ritual}" if row.ritual is not None else ""
    output.print_message(
        f"{assistant_row.name} with {row.prompt.reference}{task_text}: {_describe(row.trust)}."
    )
    for other in row.other_tasks:
        output.print_message(f"Apart from that on {other.ritual}: {_describe(other.trust)}.")


def _build_document(trust: "Estimate") -> dict[str, Any]:
    return {"value": trust.value, "low": trust.low, "high": trust.high, "runs": trust.runs}


def _describe(trust: "Estimate") -> str:
    basis = f"from {trust.runs:,.0f} runs there" if trust.runs else "predicted"
    return f"{trust.value:.3f} ({trust.low:.3f} to {trust.high:.3f}), {basis}"
