"""`explain_trust`: how far this assistant can trust a prompt, from what, and what stands in the way of using it."""

from datetime import datetime
from typing import TypedDict

from mintmark.market import gates
from mintmark.trust.answers import MatrixRow, PairExplanation
from mintmark.trust.tracker import AssistantTrustTracker

from .. import arguments, contexts
from ..arguments import Arguments, PromptName
from ..credentials import Holder
from .tool import EstimateShape, PromptNamed, Tool, estimate, prompt


class Asked(Arguments):
    """Which prompt, tried or not."""

    prompt: PromptName


class Fit(TypedDict):
    """The lift of this pairing over what prompt and assistant predict alone: the sum of its parts."""

    value: float
    task: float
    wording: float
    own_record: float


class GateTold(TypedDict):
    name: str
    open: bool
    says: str


class Explained(TypedDict):
    """`trust` is the score expected on `ritual`; `baseline` what an average prompt scores there; `swarm` the mean over
    all assistants; `as_of` the last event that it takes into account, `policy` the version of the formula."""

    prompt: PromptNamed
    ritual: str | None
    says: str
    trust: EstimateShape
    baseline: float
    swarm: float | None
    fit: Fit
    compliance: EstimateShape
    at_work: bool
    gates: list[GateTold]
    as_of: int
    policy: int


def _explained(holder: Holder, asked: Asked, now: datetime) -> Explained:
    row = arguments.prompt(holder, asked.prompt)
    told = AssistantTrustTracker().explain(assistant=holder.assistant, prompt=row, now=now)
    fit = told.row.resonance
    return {
        "prompt": prompt(row),
        "ritual": str(told.row.ritual) if told.row.ritual is not None else None,
        "says": _sentence(told),
        "trust": estimate(told.row.trust),
        "baseline": told.baseline,
        "swarm": told.row.swarm,
        "fit": {
            "value": fit.value,
            "task": fit.task,
            "wording": fit.wording,
            "own_record": fit.own_record,
        },
        "compliance": estimate(told.row.compliance),
        "at_work": any(one.prompt.pk == row.pk for one in contexts.of(holder).values()),
        "gates": [
            {"name": gate.name, "open": gate.is_open, "says": gate.says}
            for gate in gates.of(prompt=row, assistant=holder.assistant, now=now)
        ],
        "as_of": told.as_of,
        "policy": told.policy,
    }


def _sentence(told: PairExplanation) -> str:
    row: MatrixRow = told.row
    fit = row.resonance
    where = f" on {row.ritual}" if row.ritual is not None else ""
    seen = f"from {row.runs:.0f} of your own runs" if row.runs else "you have not run it"
    swarm = f", this one {row.swarm:.2f} over all assistants" if row.swarm is not None else ""
    return (
        f"Expect {row.trust.value:.2f} (90% between {row.trust.low:.2f} and {row.trust.high:.2f}){where}, {seen}; "
        f"an average prompt scores {told.baseline:.2f} there{swarm}. "
        f"Of that {fit.value:+.2f} is the fit with you: task {fit.task:+.2f}, wording {fit.wording:+.2f}, own record "
        f"{fit.own_record:+.2f}."
    )


TOOL = Tool(
    name="explain_trust",
    title="Explain trust",
    says="Say how far you can trust a prompt (the score to expect, with its interval), what that comes from, and "
    "whether a gate stands between it and you.",
    scope="read",
    takes=Asked,
    answers=Explained,
    run=_explained,
    reads=True,
)
