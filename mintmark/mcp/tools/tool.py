"""What a tool is."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, TypedDict

import mcp_types
from pydantic import TypeAdapter

from mintmark.registry.models import Prompt
from mintmark.scoring.estimate import Estimate

from ..arguments import ToolArguments
from ..credentials import KeyHolder

type ToolFunction = Callable[[KeyHolder, Any, datetime], Any]


class ToolEstimate(TypedDict):
    """An estimate in [0, 1] with its 90% interval and the effective runs behind it (0: nothing was observed)."""

    value: float
    low: float
    high: float
    runs: float


class ToolPromptRef(TypedDict):
    id: int
    reference: str
    title: str


@dataclass(frozen=True, kw_only=True)
class ToolPolling:
    """A tool whose answer may change while one waits: `again` asks anew, `is_over` says whether it is settled, `says`
    what is waited for."""

    refresh: Callable[[KeyHolder, Any, Any, datetime], Any]
    is_over: Callable[[Any], bool]
    message: str


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A tool: what it is called, what it says of itself, what it takes and answers, the scope that it needs, the one
    call that it makes. `reads`: it changes nothing; `replaces`: it may end what stood before."""

    name: str
    title: str
    description: str
    scope: str
    arguments_type: type[ToolArguments]
    output_type: Any
    run: ToolFunction
    is_read_only: bool = False
    is_destructive: bool = False
    polling: ToolPolling | None = None

    def describe(self) -> mcp_types.Tool:
        """The tool as `tools/list` shows it."""
        return mcp_types.Tool(
            name=self.name,
            title=self.title,
            description=self.description,
            input_schema=self.arguments_type.model_json_schema(),
            output_schema=_get_adapter(self.output_type).json_schema(),
            annotations=mcp_types.ToolAnnotations(
                read_only_hint=self.is_read_only,
                destructive_hint=self.is_destructive,
                idempotent_hint=True,
                open_world_hint=False,
            ),
        )

    def build_result(self, output: Any) -> mcp_types.CallToolResult:
        """An answer, as JSON twice: for programs, and as a text for models."""
        adapter = _get_adapter(self.output_type)
        return mcp_types.CallToolResult(
            content=[
                mcp_types.TextContent(
                    type="text",
                    text=adapter.dump_json(output, indent=1, ensure_ascii=False).decode(),
                )
            ],
            structured_content=adapter.dump_python(output, mode="json"),
        )


def serialize_estimate(estimate: Estimate) -> ToolEstimate:
    return {
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "runs": estimate.runs,
    }


def serialize_prompt_ref(row: Prompt) -> ToolPromptRef:
    return {"id": row.pk, "reference": row.reference, "title": row.title}


@cache
def _get_adapter(output_type: Any) -> TypeAdapter[Any]:
    return TypeAdapter(output_type)
