"""How a refusal is told over MCP: as a protocol error, or to a model that called a tool as a result that says why."""

import logging
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    CallToolResult,
    TextContent,
)
from pydantic import ValidationError

from mintmark.common import errors
from mintmark.storage import transient_errors

from .credentials import AssistantNotAuthenticated

_log = logging.getLogger(__name__)
_MAX_ROWS = 20
INTERNAL_ERROR_MESSAGE = "The server made a mistake; its log says which. Try again later."
# A caller who may not is told so; all else is about what he asked.
_CALLER_ERRORS = (errors.Forbidden, AssistantNotAuthenticated)


class InvalidArguments(errors.DomainError):
    """Arguments that do not have the declared shape."""

    code = "invalid_request"


class InvalidListCursor(errors.DomainError):
    """A `cursor` that no answer of this list gave out."""

    code = "invalid_cursor"


def to_mcp_error(error: errors.DomainError) -> MCPError:
    """A refusal as a JSON-RPC error; `data` holds its stable code, and the rows of a refused batch."""
    if isinstance(error, transient_errors.DatabaseUnavailable):
        code = INTERNAL_ERROR
    else:
        code = INVALID_REQUEST if isinstance(error, _CALLER_ERRORS) else INVALID_PARAMS
    return MCPError(code, error.message, _build_error_data(error))


def to_tool_result(error: errors.DomainError) -> CallToolResult:
    """A refusal as a tool tells it: the model reads what was wrong, and can do better.

    It is a text alone: clients hold structured content to the tool's output schema, refusals included.
    """
    lines = [f"Refused ({error.code}): {error.message}"]
    lines += [
        f"- row {row['row']}, {row['field']}: {row['message']}"
        for row in list(error.rows)[:_MAX_ROWS]
    ]
    if len(error.rows) > _MAX_ROWS:
        lines.append(f"- and {len(error.rows) - _MAX_ROWS} more")
    return CallToolResult(
        content=[TextContent(type="text", text="\n".join(lines))],
        is_error=True,
    )


def convert_validation_error(invalid: ValidationError, *, location: str) -> InvalidArguments:
    """What pydantic found, in one sentence a place."""
    problems = invalid.errors(include_url=False, include_context=False)
    sentences = dict.fromkeys(
        _format_problem(".".join((location, *map(str, problem["loc"]))), problem)
        for problem in problems
    )
    count_text = f" There are {len(sentences)} such places." if len(sentences) > 3 else ""
    return InvalidArguments(" ".join(list(sentences)[:3]) + count_text)


async def convert_errors(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Middleware: whatever a handler raises becomes an error that says what was wrong, and tells nothing else."""
    try:
        return await call_next(ctx)
    except MCPError:
        raise
    except errors.DomainError as error:
        raise to_mcp_error(error) from None
    except ValidationError as invalid:
        raise to_mcp_error(convert_validation_error(invalid, location="params")) from None
    except Exception as unexpected:
        if transient_errors.is_transient(unexpected):
            _log.warning("%s: the database can't answer: %s", ctx.method, unexpected)
            raise to_mcp_error(transient_errors.DatabaseUnavailable()) from None
        _log.error("%s failed", ctx.method, exc_info=unexpected)
        if settings.DEBUG:
            raise
        raise MCPError(INTERNAL_ERROR, INTERNAL_ERROR_MESSAGE) from None


def _build_error_data(error: errors.DomainError) -> dict[str, Any]:
    rows: Iterable[errors.FieldError] = error.rows
    return {"code": error.code} | ({"rows": list(rows)} if error.rows else {})


def _format_problem(location: str, problem: Any) -> str:
    message = str(problem["msg"]).removeprefix("Value error, ").rstrip(".")
    value = problem.get("input")
    if problem["type"] == "missing" or isinstance(value, dict | list):
        return f"{location}: {message}."
    return f"{location}: {message} (given: {repr(value)[:60]})."
