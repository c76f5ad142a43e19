"""What is at work in an assistant, by the names under which MCP lists it."""

from mintmark.market.injections import Served
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace

from .credentials import Holder


def of(holder: Holder) -> dict[str, Served]:
    """What is at work now, by name, in the order of slots.

    A name is the prompt's line, so that it outlives a revision: `acme/triage`. What was put to work later under a line
    that is taken has its slot behind it: `acme/triage#notes`.
    """
    served = SymbolicPromptTokenMarketplace().context(
        caller=holder.caller, assistant=holder.assistant
    )
    first: dict[str, int] = {}
    for one in sorted(served, key=lambda one: one.injection.pk):
        first.setdefault(one.prompt.line, one.injection.pk)
    return {
        one.prompt.line
        if first[one.prompt.line] == one.injection.pk
        else f"{one.prompt.line}#{one.injection.slot}": one
        for one in sorted(served, key=lambda one: one.injection.slot)
    }
