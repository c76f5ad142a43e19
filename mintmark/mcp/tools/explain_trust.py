"""`explain_trust`: how far this assistant can trust a prompt, from what, and what stands in the way of using it."""

from datetime import datetime
from typing import Annotated, TypedDict

from pydantic import Field

from mintmark.deployments import gates
from mintmark.registry import rituals
from mintmark.trust.results import PairExplanation, TrustMatrixRow
from mintmark.trust.tracker import AssistantTrustTracker

from .. import active_prompts, arguments
from ..arguments import Id, PromptName, ToolArguments
from ..credentials import KeyHolder
from .tool import Tool, ToolEstimate, ToolPromptRef, serialize_estimate, serialize_prompt_ref


class ExplainTrustArguments(ToolArguments):
    """Which prompt, tried or not, and on which task (a ritual by name, `name@version` or id): the prompt's home if none
    is named."""

    prompt: PromptName
    ritual: Id | Annotated[str, Field(min_length=1, max_length=300)] | None = None


class ToolTaskTrust(TypedDict):
    """What you have measured on another task."""

    ritual: str
    trust: ToolEstimate


class TrustFit(TypedDict):
    """The lift of this pairing over what prompt and assistant predict alone: the sum of its parts."""

    value: float
    task: float
    wording: float
    own_record: float


class GateStatus(TypedDict):
    name: str
    open: bool
    message: str


class ExplainTrustOutput(TypedDict):
    """`trust` is the score expected on `ritual`, with all that your team reported there; `public_trust` the same from
    what this installation ran there alone, by which gates go on the prompt's home task; their `runs` are 0 where they
    are predicted. `other_tasks` is what you measured elsewhere, `runs` all measured runs by provenance, `baseline` what
    an average prompt scores on `ritual`, `swarm` the mean over all assistants; `as_of` the last event that it takes
    into account, `policy` the version of the formula."""

    prompt: ToolPromptRef
    ritual: str | None
    message: str
    trust: ToolEstimate
    public_trust: ToolEstimate
    other_tasks: list[ToolTaskTrust]
    runs: dict[str, int]
    baseline: float
    swarm: float | None
    fit: TrustFit
    compliance: ToolEstimate
    at_work: bool
    gates: list[GateStatus]
    as_of: int
    policy: int


def _explain_trust(
    holder: KeyHolder, args: ExplainTrustArguments, now: datetime
) -> ExplainTrustOutput:
    row = arguments.resolve_prompt(holder, args.prompt)
    ritual = rituals.resolve(reference=str(args.ritual)) if args.ritual is not None else None
    explanation = AssistantTrustTracker(own_team=holder.assistant.team_id).explain(
        assistant=holder.assistant, prompt=row, ritual=ritual, now=now
    )
    public_trust = AssistantTrustTracker().get_estimates(
        assistant=holder.assistant, prompts=[row], ritual=ritual, now=now
    )[row.pk]
    fit = explanation.row.resonance
    return {
        "prompt": serialize_prompt_ref(row),
        "ritual": str(explanation.row.ritual) if explanation.row.ritual is not None else None,
        "message": _summarise(explanation),
        "trust": serialize_estimate(explanation.row.trust),
        "public_trust": serialize_estimate(public_trust),
        "other_tasks": [
            {"ritual": str(other.ritual), "trust": serialize_estimate(other.trust)}
            for other in explanation.row.other_tasks
        ],
        "runs": dict(explanation.runs),
        "baseline": explanation.baseline,
        "swarm": explanation.row.swarm,
        "fit": {
            "value": fit.value,
            "task": fit.task,
            "wording": fit.wording,
            "own_record": fit.own_record,
        },
        "compliance": serialize_estimate(explanation.row.compliance),
        "at_work": any(
            active_prompt.prompt.pk == row.pk
            for active_prompt in active_prompts.get_active_prompts(holder).values()
        ),
        "gates": [
            {"name": gate.name, "open": gate.is_open, "message": gate.message}
            for gate in gates.list_gates(prompt=row, assistant=holder.assistant, now=now)
        ],
        "as_of": explanation.as_of,
        "policy": explanation.policy,
    }


def _summarise(explanation: PairExplanation) -> str:
    row: TrustMatrixRow = explanation.row
    fit = row.resonance
    task_text = f" on {row.ritual}" if row.ritual is not None else ""
    if row.trust.runs:
        basis_text = f"from {row.trust.runs:.0f} of your own runs"
    else:
        basis_text = "predicted: you have not run it" + (" there" if row.runs else "")
    swarm_text = f", this one {row.swarm:.2f} over all assistants" if row.swarm is not None else ""
    return (
        f"Expect {row.trust.value:.2f} (90% between {row.trust.low:.2f} and {row.trust.high:.2f}){task_text}, "
        f"{basis_text}; an average prompt scores {explanation.baseline:.2f} there{swarm_text}. Of that "
        f"{fit.value:+.2f} is the fit with you: task {fit.task:+.2f}, wording {fit.wording:+.2f}, own record "
        f"{fit.own_record:+.2f}."
    )


TOOL = Tool(
    name="explain_trust",
    title="Explain trust",
    description="Say how far you can trust a prompt on a task (the score to expect, with its interval), what that "
    "comes from, and whether a gate stands between it and you.",
    scope="read",
    arguments_type=ExplainTrustArguments,
    output_type=ExplainTrustOutput,
    run=_explain_trust,
    is_read_only=True,
)
