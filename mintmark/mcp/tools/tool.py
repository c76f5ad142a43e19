"""What a tool is."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, TypedDict

import mcp_types
from pydantic import TypeAdapter

from mintmark.registry.models import Prompt
from mintmark.reputation.answers import Estimate

from ..arguments import Arguments
from ..credentials import Holder

type Verb = Callable[[Holder, Any, datetime], Any]


class EstimateShape(TypedDict):
    """An estimate in [0, 1] with its 90% interval and the effective runs behind it (0: nothing was observed)."""

    value: float
    low: float
    high: float
    runs: float


class PromptNamed(TypedDict):
    id: int
    reference: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Pause:
    """A tool whose answer may change while one waits: `again` asks anew, `is_over` says whether it is settled, `says`
    what is waited for."""

    again: Callable[[Holder, Any, Any, datetime], Any]
    is_over: Callable[[Any], bool]
    says: str


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A tool: what it is called, what it says of itself, what it takes and answers, the scope that it needs, the one
    call that it makes. `reads`: it changes nothing; `replaces`: it may end what stood before."""

    name: str
    title: str
    says: str
    scope: str
    takes: type[Arguments]
    answers: Any
    run: Verb
    reads: bool = False
    replaces: bool = False
    pause: Pause | None = None

    def described(self) -> mcp_types.Tool:
        """The tool as `tools/list` shows it."""
        return mcp_types.Tool(
            name=self.name,
            title=self.title,
            description=self.says,
            input_schema=self.takes.model_json_schema(),
            output_schema=_adapter(self.answers).json_schema(),
            annotations=mcp_types.ToolAnnotations(
                read_only_hint=self.reads,
                destructive_hint=self.replaces,
                idempotent_hint=True,
                open_world_hint=False,
            ),
        )

    def answer(self, told: Any) -> mcp_types.CallToolResult:
        """An answer, as JSON twice: for programs, and as a text for models."""
        adapter = _adapter(self.answers)
        return mcp_types.CallToolResult(
            content=[
                mcp_types.TextContent(
                    type="text", text=adapter.dump_json(told, indent=1, ensure_ascii=False).decode()
                )
            ],
            structured_content=adapter.dump_python(told, mode="json"),
        )


def estimate(told: Estimate) -> EstimateShape:
    return {"value": told.value, "low": told.low, "high": told.high, "runs": told.runs}


def prompt(row: Prompt) -> PromptNamed:
    return {"id": row.pk, "reference": row.reference, "title": row.title}


@cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)
