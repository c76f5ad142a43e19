"""The MCP server itself: what each method of the protocol calls, over whichever transport it came."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime
from functools import partial
from importlib import metadata
from typing import Any

import anyio
from anyio.abc import TaskGroup
from django.utils import timezone
from mcp.server import NotificationOptions, Server, ServerRequestContext
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, PromptsListChanged
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    GetPromptRequestParams,
    GetPromptResult,
    ListPromptsResult,
    ListToolsResult,
    NotificationParams,
    PaginatedRequestParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
)

from mintmark.core import errors

from . import arguments, changes, credentials, prompts, refusals, threads, tools
from .credentials import Holder
from .tools.tool import Pause, Tool

MOST_STREAMS = 500
MOST_WAITING = 500
TOOLS_TTL_MS = 3_600_000
_ASK_AGAIN_SECONDS = 0.5

INSTRUCTIONS = """\
Mintmark keeps account of prompts by evidence. The prompts listed here are at work in you now: get one anew each time
you use it, for it may be replaced or withdrawn. After you used one, report_outcome; search_market finds better ones,
explain_trust says why, buy_prompt and inject_prompt put one to work."""

type Context = ServerRequestContext[TaskGroup, Any]
type Whose = Callable[[Context], Holder]
"""Whose request this is; called in a thread, for it may ask the database."""


class McpServer(Server[TaskGroup]):
    """The SDK's server; clients of the older revision are told too that changes of the list are pushed."""

    def create_initialization_options(
        self, notification_options: NotificationOptions | None = None, *others: Any, **named: Any
    ) -> Any:
        told = notification_options or NotificationOptions(prompts_changed=True)
        return super().create_initialization_options(told, *others, **named)


def made(*, whose: Whose) -> McpServer:
    """A server that serves whoever `whose` says."""
    methods = _Methods(whose)
    made_one = McpServer(
        "mintmark",
        title="Mintmark",
        version=metadata.version("mintmark"),
        instructions=INSTRUCTIONS,
        lifespan=_lifespan,
        get_tool_input_schema=_schema_of,
        on_list_prompts=methods.list_prompts,
        on_get_prompt=methods.get_prompt,
        on_list_tools=methods.list_tools,
        on_call_tool=methods.call_tool,
        on_subscriptions_listen=methods.listen,
    )
    made_one.middleware.append(refusals.told)
    made_one.add_notification_handler(
        "notifications/initialized", NotificationParams, methods.initialized
    )
    return made_one


@asynccontextmanager
async def _lifespan(_: Server[TaskGroup]) -> AsyncIterator[TaskGroup]:
    """What runs beside the requests, until the server ends."""
    async with anyio.create_task_group() as beside:
        yield beside
        beside.cancel_scope.cancel()


def _schema_of(name: str) -> dict[str, Any] | None:
    return next((tool.input_schema for tool in tools.DESCRIBED if tool.name == name), None)


def _listed(holder: Holder, now: datetime, *, cursor: str | None) -> ListPromptsResult:
    return prompts.listed(holder, cursor=cursor, now=now)


def _got(
    holder: Holder, now: datetime, *, name: str, values: dict[str, str] | None
) -> GetPromptResult:
    return prompts.got(holder, name=name, values=values)


def _called(holder: Holder, now: datetime, *, tool: Tool, given: Any) -> Any:
    holder.caller.require_scope(tool.scope)
    return tool.run(holder, given, now)


def _again(holder: Holder, now: datetime, *, pause: Pause, given: Any, told: Any) -> Any:
    # He may have waited long: a key that was revoked meanwhile ends it.
    return pause.again(credentials.holder(secret=holder.secret, now=now), given, told, now)


def _watched(holder: Holder, now: datetime) -> tuple[str, changes.Seen]:
    holder.caller.require_scope("read")
    return holder.secret, changes.seen(holder)


class _Methods:
    def __init__(self, whose: Whose) -> None:
        self._whose = whose
        self._streams = 0
        self._waiting = 0

    async def list_prompts(
        self, ctx: Context, params: PaginatedRequestParams | None
    ) -> ListPromptsResult:
        cursor = params.cursor if params is not None else None
        return await self._run(ctx, partial(_listed, cursor=cursor))

    async def get_prompt(self, ctx: Context, params: GetPromptRequestParams) -> GetPromptResult:
        return await self._run(ctx, partial(_got, name=params.name, values=params.arguments))

    async def list_tools(
        self, ctx: Context, params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        if params is not None and params.cursor is not None:
            raise refusals.InvalidCursor("The list of tools has one page; ask without a cursor.")
        return ListToolsResult(
            tools=tools.DESCRIBED,
            ttl_ms=TOOLS_TTL_MS,
            cache_scope="private",
        )

    async def call_tool(self, ctx: Context, params: CallToolRequestParams) -> CallToolResult:
        tool = tools.ALL.get(params.name)
        if tool is None:
            named = ", ".join(tools.ALL)
            raise MCPError(
                INVALID_PARAMS, f"There is no tool {params.name[:100]!r}; there are {named}."
            )
        try:
            given = arguments.read(tool.takes, params.arguments)
            told = await self._run(ctx, partial(_called, tool=tool, given=given))
            told = await self._settled(ctx, tool, given, told)
        except errors.Refusal as refusal:
            return refusals.as_result(refusal)
        return tool.answer(told)

    async def listen(
        self, ctx: Context, params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        """A stream of changes, which ends in order when the key is revoked."""
        secret, since = await self._run(ctx, _watched)
        bus = InMemorySubscriptionBus()
        handler = ListenHandler(bus)

        async def follow() -> None:
            await changes.follow(
                secret=secret, since=since, tell=lambda: bus.publish(PromptsListChanged())
            )
            handler.close()

        with self._stream():
            async with anyio.create_task_group() as beside:
                beside.start_soon(follow)
                result = await handler(ctx, params)
                beside.cancel_scope.cancel()
        return result

    @contextmanager
    def _stream(self) -> Iterator[None]:
        if self._streams >= MOST_STREAMS:
            raise MCPError(
                INTERNAL_ERROR, f"{MOST_STREAMS} streams are open already; ask again later."
            )
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1

    async def initialized(self, ctx: Context, params: NotificationParams) -> None:
        """Tell a client of the older revision of changes while its pipe is open; over HTTP its GET stream does."""
        if ctx.request is not None or self._streams:
            return
        try:
            secret, since = await self._run(ctx, _watched)
        except errors.Refusal:
            return

        async def tell() -> None:
            with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
                await ctx.session.send_prompt_list_changed()

        self._streams += 1
        ctx.lifespan_context.start_soon(
            partial(changes.follow, secret=secret, since=since, tell=tell)
        )

    async def _settled(self, ctx: Context, tool: Tool, given: Any, told: Any) -> Any:
        """The answer of a tool once it is settled, or as it stands when the caller (or this server) waits no longer."""
        pause = tool.pause
        if pause is None or self._waiting >= MOST_WAITING:
            return told
        self._waiting += 1
        try:
            start = anyio.current_time()
            while not pause.is_over(told):
                waited = anyio.current_time() - start
                if waited >= given.wait_seconds:
                    break
                await ctx.session.report_progress(waited, given.wait_seconds, pause.says)
                await anyio.sleep(min(_ASK_AGAIN_SECONDS, given.wait_seconds - waited))
                told = await self._run(ctx, partial(_again, pause=pause, given=given, told=told))
        finally:
            self._waiting -= 1
        return told

    async def _run[T](self, ctx: Context, verb: Callable[[Holder, datetime], T]) -> T:
        def whole() -> T:
            return verb(self._whose(ctx), timezone.now())

        return await threads.run(whole)
