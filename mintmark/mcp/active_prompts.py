"""What is at work in an assistant, by the names under which MCP lists it."""

from mintmark.deployments.injections import ActivePrompt
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace

from .credentials import KeyHolder


def get_active_prompts(holder: KeyHolder) -> dict[str, ActivePrompt]:
    """What is at work now, by name, in the order of slots.

    A name is the prompt's line, so that it outlives a revision: `acme/triage`. What was put to work later under a line
    that is taken has its slot behind it: `acme/triage#notes`.
    """
    active_prompts = SymbolicPromptTokenMarketplace().list_active_prompts(
        caller=holder.caller, assistant=holder.assistant
    )
    oldest_injections: dict[str, int] = {}
    for active_prompt in sorted(
        active_prompts, key=lambda active_prompt: active_prompt.injection.pk
    ):
        oldest_injections.setdefault(
            active_prompt.prompt.qualified_name, active_prompt.injection.pk
        )
    return {
        active_prompt.prompt.qualified_name
        if oldest_injections[active_prompt.prompt.qualified_name] == active_prompt.injection.pk
        else f"{active_prompt.prompt.qualified_name}#{active_prompt.injection.slot}": active_prompt
        for active_prompt in sorted(
            active_prompts, key=lambda active_prompt: active_prompt.injection.slot
        )
    }
