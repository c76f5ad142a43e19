"""What an assistant can do over MCP, a module a tool: its arguments, one call of a verb, its answer."""

from . import (
    buy_prompt,
    explain_trust,
    get_prompt,
    inject_prompt,
    rate_prompt,
    report_outcome,
    search_market,
)
from .tool import Tool

TOOLS: dict[str, Tool] = {
    module.TOOL.name: module.TOOL
    for module in (
        search_market,
        get_prompt,
        buy_prompt,
        inject_prompt,
        rate_prompt,
        report_outcome,
        explain_trust,
    )
}
"""Every tool by its name, in the order of the list."""

TOOL_DESCRIPTIONS = [tool.describe() for tool in TOOLS.values()]
"""All of them, as the list shows them."""
