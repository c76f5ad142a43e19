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

from mintmark.common import errors

from . import arguments, credentials, error_mapping, notifications, prompts, sync_bridge, tools
from .credentials import KeyHolder
from .tools.tool import Tool, ToolPolling

MAX_STREAMS = 500
MAX_WAITING = 500
TOOLS_TTL_MS = 3_600_000
_POLL_SECONDS = 0.5

INSTRUCTIONS = """\
Mintmark keeps account of prompts by evidence. The prompts listed here are at work in you now: get one anew each time
you use it, for it may be replaced or withdrawn. After you used one, report_outcome; search_market finds better ones,
explain_trust says why, buy_prompt and inject_prompt put one to work."""

type Context = ServerRequestContext[TaskGroup, Any]
type HolderLookup = Callable[[Context], KeyHolder]
"""Whose request this is; called in a thread, for it may ask the database."""


class McpServer(Server[TaskGroup]):
    """The SDK's server; clients of the older revision are told too that changes of the list are pushed."""

    def create_initialization_options(
        self, notification_options: NotificationOptions | None = None, *args: Any, **kwargs: Any
    ) -> Any:
        options = notification_options or NotificationOptions(prompts_changed=True)
        return super().create_initialization_options(options, *args, **kwargs)


def build_server(*, get_holder: HolderLookup) -> McpServer:
    """A server that serves whoever `whose` says."""
    methods = _ProtocolHandlers(get_holder)
    server = McpServer(
        "mintmark",
        title="Mintmark",
        version=metadata.version("mintmark"),
        instructions=INSTRUCTIONS,
        lifespan=_run_task_group,
        get_tool_input_schema=_find_input_schema,
        on_list_prompts=methods.list_prompts,
        on_get_prompt=methods.get_prompt,
        on_list_tools=methods.list_tools,
        on_call_tool=methods.call_tool,
        on_subscriptions_listen=methods.listen,
    )
    server.middleware.append(error_mapping.convert_errors)
    server.add_notification_handler(
        "notifications/initialized", NotificationParams, methods.on_initialized
    )
    return server


@asynccontextmanager
async def _run_task_group(_: Server[TaskGroup]) -> AsyncIterator[TaskGroup]:
    """What runs beside the requests, until the server ends."""
    async with anyio.create_task_group() as task_group:
        yield task_group
        task_group.cancel_scope.cancel()


def _find_input_schema(name: str) -> dict[str, Any] | None:
    return next((tool.input_schema for tool in tools.TOOL_DESCRIPTIONS if tool.name == name), None)


def _list_prompts(holder: KeyHolder, now: datetime, *, cursor: str | None) -> ListPromptsResult:
    return prompts.list_prompts(holder, cursor=cursor, now=now)


def _get_prompt(
    holder: KeyHolder, now: datetime, *, name: str, values: dict[str, str] | None
) -> GetPromptResult:
    return prompts.get_prompt(holder, name=name, values=values)


def _call_tool(holder: KeyHolder, now: datetime, *, tool: Tool, args: Any) -> Any:
    holder.caller.require_scope(tool.scope)
    return tool.run(holder, args, now)


def _refresh_output(
    holder: KeyHolder, now: datetime, *, pause: ToolPolling, args: Any, output: Any
) -> Any:
    # He may have waited long: a key that was revoked meanwhile ends it.
    return pause.refresh(credentials.authenticate(secret=holder.secret, now=now), args, output, now)


def _start_watching(
    holder: KeyHolder, now: datetime
) -> tuple[str, notifications.ActiveInjectionIds]:
    holder.caller.require_scope("read")
    return holder.secret, notifications.read_active_injections(holder)


class _ProtocolHandlers:
    def __init__(self, get_holder: HolderLookup) -> None:
        self._get_holder = get_holder
        self._streams = 0
        self._waiting = 0

    async def list_prompts(
        self, ctx: Context, params: PaginatedRequestParams | None
    ) -> ListPromptsResult:
        cursor = params.cursor if params is not None else None
        return await self._run(ctx, partial(_list_prompts, cursor=cursor))

    async def get_prompt(self, ctx: Context, params: GetPromptRequestParams) -> GetPromptResult:
        return await self._run(ctx, partial(_get_prompt, name=params.name, values=params.arguments))

    async def list_tools(
        self, ctx: Context, params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        if params is not None and params.cursor is not None:
            raise error_mapping.InvalidListCursor(
                "The list of tools has one page; ask without a cursor."
            )
        return ListToolsResult(
            tools=tools.TOOL_DESCRIPTIONS,
            ttl_ms=TOOLS_TTL_MS,
            cache_scope="private",
        )

    async def call_tool(self, ctx: Context, params: CallToolRequestParams) -> CallToolResult:
        tool = tools.TOOLS.get(params.name)
        if tool is None:
            tool_names = ", ".join(tools.TOOLS)
            raise MCPError(
                INVALID_PARAMS, f"There is no tool {params.name[:100]!r}; there are {tool_names}."
            )
        try:
            args = arguments.parse_arguments(tool.arguments_type, params.arguments)
            output = await self._run(ctx, partial(_call_tool, tool=tool, args=args))
            output = await self._wait_for_output(ctx, tool, args, output)
        except errors.DomainError as error:
            return error_mapping.to_tool_result(error)
        return tool.build_result(output)

    async def listen(
        self, ctx: Context, params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        """A stream of changes, which ends in order when the key is revoked."""
        secret, since = await self._run(ctx, _start_watching)
        bus = InMemorySubscriptionBus()
        handler = ListenHandler(bus)

        async def poll_and_publish() -> None:
            await notifications.poll_changes(
                secret=secret, since=since, notify=lambda: bus.publish(PromptsListChanged())
            )
            handler.close()

        with self._open_stream():
            async with anyio.create_task_group() as task_group:
                task_group.start_soon(poll_and_publish)
                result = await handler(ctx, params)
                task_group.cancel_scope.cancel()
        return result

    @contextmanager
    def _open_stream(self) -> Iterator[None]:
        if self._streams >= MAX_STREAMS:
            raise MCPError(
                INTERNAL_ERROR, f"{MAX_STREAMS} streams are open already; ask again later."
            )
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1

    async def on_initialized(self, ctx: Context, params: NotificationParams) -> None:
        """Tell a client of the older revision of changes while its pipe is open; over HTTP its GET stream does."""
        if ctx.request is not None or self._streams:
            return
        try:
            secret, since = await self._run(ctx, _start_watching)
        except errors.DomainError:
            return

        async def notify() -> None:
            with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
                await ctx.session.send_prompt_list_changed()

        self._streams += 1
        ctx.lifespan_context.start_soon(
            partial(notifications.poll_changes, secret=secret, since=since, notify=notify)
        )

    async def _wait_for_output(self, ctx: Context, tool: Tool, args: Any, output: Any) -> Any:
        """The answer of a tool once it is settled, or as it stands when the caller (or this server) waits no longer."""
        pause = tool.polling
        if pause is None or self._waiting >= MAX_WAITING:
            return output
        self._waiting += 1
        try:
            start = anyio.current_time()
            while not pause.is_over(output):
                waited = anyio.current_time() - start
                if waited >= args.wait_seconds:
                    break
                await ctx.session.report_progress(waited, args.wait_seconds, pause.message)
                await anyio.sleep(min(_POLL_SECONDS, args.wait_seconds - waited))
                output = await self._run(
                    ctx, partial(_refresh_output, pause=pause, args=args, output=output)
                )
        finally:
            self._waiting -= 1
        return output

    async def _run[T](self, ctx: Context, function: Callable[[KeyHolder, datetime], T]) -> T:
        def call_with_holder() -> T:
            return function(self._get_holder(ctx), timezone.now())

        return await sync_bridge.run(call_with_holder)
