"""What an assistant can do over MCP, a module a tool: its arguments, one call of a verb, its answer."""

from . import explanations, injections, outcomes, purchases, ratings, searches, texts
from .tool import Tool

ALL: dict[str, Tool] = {
    module.TOOL.name: module.TOOL
    for module in (searches, texts, purchases, injections, ratings, outcomes, explanations)
}
"""Every tool by its name, in the order of the list."""

DESCRIBED = [tool.described() for tool in ALL.values()]
"""All of them, as the list shows them."""
