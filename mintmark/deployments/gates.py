"""Gates: what stands between a prompt and an assistant's context."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from mintmark.registry import codices, entitlements
from mintmark.registry.models import Assistant, Prompt
from mintmark.textchecks import placeholders
from mintmark.textchecks.clauses import ClauseResult
from mintmark.trust.tracker import AssistantTrustTracker

from . import mandates

ENTITLEMENT, CONTRACT, TRUST = "entitlement", "contract", "trust"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One gate: whether it is open, in words why, and whether an operator may override it with a reason.

    `verdicts` of the gate `contract` are what every clause says, with the places and excerpts of what fails.
    """

    name: str
    is_open: bool
    message: str
    may_override: bool
    verdicts: tuple[ClauseResult, ...] = ()


def list_gates(
    *,
    prompt: Prompt,
    assistant: Assistant,
    now: datetime,
    variables: Mapping[str, str] | None = None,
) -> list[Gate]:
    """Every gate between a prompt and an assistant: entitlement, blocking clauses, the assistant's floor of trust.

    The clauses are those of the default codex, of the prompt's contracts and of the assistant; they are checked on the
    text with `variables` filled in, as it would be served. What they find is shown to those alone who may use the text:
    it tells of it, word by word.
    """
    entitlement = _build_entitlement_gate(prompt, assistant)
    return [
        entitlement,
        _build_contract_gate(prompt, assistant, variables or {})
        if entitlement.is_open
        else _build_hidden_contract_gate(prompt),
        _build_trust_gate(prompt, assistant, now=now),
    ]


def _build_entitlement_gate(prompt: Prompt, assistant: Assistant) -> Gate:
    if hasattr(prompt, "tombstone"):
        message = f"{prompt.reference} was withdrawn: {prompt.tombstone.reason}"
        return Gate(name=ENTITLEMENT, is_open=False, message=message, may_override=False)
    served = entitlements.build_usable_q(team_ids={assistant.team_id})
    is_open = Prompt.objects.filter(served, pk=prompt.pk).exists()
    message = (
        f"team {assistant.team} may use it"
        if is_open
        else f"team {assistant.team} may not use {prompt.reference}: buy it first"
    )
    return Gate(name=ENTITLEMENT, is_open=is_open, message=message, may_override=False)


def explain_too_long(*, prompt: Prompt, variables: Mapping[str, str]) -> str:
    """Why a prompt is not served with these variables filled in; empty where it is not too long."""
    lengths = {name: len(value) for name, value in variables.items()}
    length = placeholders.build_length_model(prompt.text).predict_length(lengths)
    if length <= placeholders.MAX_FILLED_CHARACTERS:
        return ""
    return (
        f"{prompt.reference} would have {length:,} characters with its variables filled in; at most "
        f"{placeholders.MAX_FILLED_CHARACTERS:,} are served."
    )


def _build_contract_gate(
    prompt: Prompt, assistant: Assistant, variables: Mapping[str, str]
) -> Gate:
    if too_long_message := explain_too_long(prompt=prompt, variables=variables):
        return Gate(name=CONTRACT, is_open=False, message=too_long_message, may_override=False)
    text = placeholders.substitute(text=prompt.text, values=variables)
    verdicts = codices.evaluate_prompt(prompt=prompt, assistant=assistant, text=text)
    blocking = [verdict for verdict in verdicts if verdict.blocks]
    warnings = sum(verdict.holds is not True and not verdict.blocks for verdict in verdicts)
    if blocking:
        message = "; ".join(f"“{verdict.text}”: {verdict.reason}" for verdict in blocking[:3])
        message += f"; and {len(blocking) - 3} more" if len(blocking) > 3 else ""
    else:
        message = f"{len(verdicts)} clauses on its text, none of them in the way"
        message += f"; {warnings} of them warn" if warnings else ""
    return Gate(
        name=CONTRACT,
        is_open=not blocking,
        message=message,
        may_override=True,
        verdicts=tuple(verdicts),
    )


def _build_hidden_contract_gate(prompt: Prompt) -> Gate:
    message = f"the clauses on {prompt.reference} are checked once its text may be used"
    return Gate(name=CONTRACT, is_open=False, message=message, may_override=True)


def _build_trust_gate(prompt: Prompt, assistant: Assistant, *, now: datetime) -> Gate:
    floor = mandates.get_mandate(assistant=assistant).trust_floor
    row = AssistantTrustTracker().explain(assistant=assistant, prompt=prompt, now=now).row
    low = row.bound
    task_text = f" on {row.ritual}" if row.ritual is not None else ""
    basis_text = "from decisive runs alone"
    if not row.trust.runs:
        basis_text = f"predicted {basis_text}, none of them there"
    low_text, floor_text = _format_bounds(low, floor)
    return Gate(
        name=TRUST,
        is_open=low >= floor,
        message=f"the lower bound of its trust{task_text}, {basis_text}, is {low_text}, and {assistant} asks for "
        f"{floor_text}",
        may_override=True,
    )


def _format_bounds(low: float, floor: float) -> tuple[str, str]:
    """A lower bound and a floor, each with two decimals, or as many more as show which of them is higher."""
    floor_text = f"{floor:.2f}" if float(f"{floor:.2f}") == floor else repr(floor)
    for digits in range(2, 18):
        low_text = f"{low:.{digits}f}"
        if (float(low_text) >= floor) == (low >= floor):
            return low_text, floor_text
    return repr(low), floor_text
