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

from mintmark.core import errors
from mintmark.database import unavailable

from .credentials import NotAuthenticated

_log = logging.getLogger(__name__)
MISTAKE = "The server made a mistake; its log says which. Try again later."
# A caller who may not is told so; all else is about what he asked.
_ABOUT_THE_CALLER = (errors.Forbidden, NotAuthenticated)


class InvalidRequest(errors.Refusal):
    """Arguments that do not have the declared shape."""

    code = "invalid_request"


class InvalidCursor(errors.Refusal):
    """A `cursor` that no answer of this list gave out."""

    code = "invalid_cursor"


def of(refusal: errors.Refusal) -> MCPError:
    """A refusal as a JSON-RPC error; `data` holds its stable code, and the rows of a refused batch."""
    if isinstance(refusal, unavailable.Unavailable):
        code = INTERNAL_ERROR
    else:
        code = INVALID_REQUEST if isinstance(refusal, _ABOUT_THE_CALLER) else INVALID_PARAMS
    return MCPError(code, refusal.message, _told(refusal))


def as_result(refusal: errors.Refusal) -> CallToolResult:
    """A refusal as a tool tells it: the model reads what was wrong, and can do better."""
    return CallToolResult(
        content=[TextContent(type="text", text=f"Refused ({refusal.code}): {refusal.message}")],
        structured_content={"error": _told(refusal) | {"message": refusal.message}},
        is_error=True,
    )


def of_places(invalid: ValidationError, *, place: str) -> InvalidRequest:
    """What pydantic found, in one sentence a place."""
    found = invalid.errors(include_url=False, include_context=False)
    sentences = dict.fromkeys(
        _sentence(".".join((place, *map(str, problem["loc"]))), problem) for problem in found
    )
    more = f" There are {len(sentences)} such places." if len(sentences) > 3 else ""
    return InvalidRequest(" ".join(list(sentences)[:3]) + more)


async def told(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Middleware: whatever a handler raises becomes an error that says what was wrong, and tells nothing else."""
    try:
        return await call_next(ctx)
    except MCPError:
        raise
    except errors.Refusal as refusal:
        raise of(refusal) from None
    except ValidationError as invalid:
        raise of(of_places(invalid, place="params")) from None
    except Exception as mistake:
        if unavailable.is_unavailable(mistake):
            _log.warning("%s: the database can't answer: %s", ctx.method, mistake)
            raise of(unavailable.Unavailable()) from None
        _log.error("%s failed", ctx.method, exc_info=mistake)
        if settings.DEBUG:
            raise
        raise MCPError(INTERNAL_ERROR, MISTAKE) from None


def _told(refusal: errors.Refusal) -> dict[str, Any]:
    rows: Iterable[errors.Row] = refusal.rows
    return {"code": refusal.code} | ({"rows": list(rows)} if refusal.rows else {})


def _sentence(place: str, problem: Any) -> str:
    message = str(problem["msg"]).removeprefix("Value error, ").rstrip(".")
    given = problem.get("input")
    if problem["type"] == "missing" or isinstance(given, dict | list):
        return f"{place}: {message}."
    return f"{place}: {message} (given: {repr(given)[:60]})."
