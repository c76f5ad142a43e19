"""How fast is a text at work got over MCP, beside the JSON API's endpoints for the same text?

`prompts/get` (revision 2026-07-28, streamable HTTP, variables filled in) against
`GET /assistants/{id}/context`, which tells all that is at work in one answer, and against
`GET /prompts/{id}/text`, the bare text. One process of `mintmark mcp --http` (it has no more) and one of
`mintmark serve`, on one PostgreSQL, four clients. In turn, several rounds: the ratio of a round is what
counts on a machine that is not quiet.

Run from the repository root: python -m benchmarks.service.mcp_prompts [--requests 100] [--rounds 7] [--json]
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import click

from benchmarks.service import clients, installation
from tests import installations

AT_WORK = 5
REVISION = "2026-07-28"
NAMES = {
    "mcp": "MCP `prompts/get`",
    "context": "`GET /assistants/{id}/context`",
    "text": "`GET /prompts/{id}/text`",
}


def same(request: clients.Request, count: int, client: int) -> list[clients.Request]:
    """One request, again and again."""
    return [request] * count


def rounds(
    *, port: int, mcp_port: int, fleet: installation.Fleet, line: str, requests: int, count: int
) -> list[dict[str, float]]:
    """Answers a second of each way to the text, round by round."""
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "prompts/get",
        "params": {
            "name": line,
            "arguments": {"x": "these lines", "context": "nothing else"},
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": REVISION,
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    }
    headers = {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": REVISION,
        "Mcp-Method": "prompts/get",
        "Mcp-Name": line,
    }
    ways: dict[str, tuple[int, clients.Request, Mapping[str, str]]] = {
        "mcp": (mcp_port, ("POST", "/mcp", json.dumps(body).encode()), headers),
        "context": (port, ("GET", f"/api/v1/assistants/{fleet.assistants[0]}/context", None), {}),
        "text": (port, ("GET", f"/api/v1/prompts/{fleet.prompts[0]}/text", None), {}),
    }

    def rate(name: str, each: int) -> float:
        at, request, own = ways[name]
        plan = partial(same, request, each)
        return clients.rate(port=at, fleet=fleet, plan=plan, headers=own)

    for name in ways:
        rate(name, 10)
    made = []
    for n in range(count):
        click.echo(f"  round {n + 1} of {count}", err=True)
        made.append({name: rate(name, requests) for name in ways})
    return made


@contextmanager
def mcp_served(house: installation.House) -> Iterator[int]:
    """`mintmark mcp --http` until the block ends; its port."""
    port = installations.free_port()
    command = ("mintmark.cli", "mcp", "--http", "--port", str(port))
    server = house.start(*command, settings=installation.BENCH_SETTINGS)
    try:
        installations.await_answer(port=port, process=server)
        yield port
    finally:
        server.terminate()
        server.wait(timeout=60)


@click.command()
@click.option("--requests", default=100, show_default=True, type=click.IntRange(1), help="a client")
@click.option("--rounds", "count", default=7, show_default=True, type=click.IntRange(1))
@click.option("--json", "as_json", is_flag=True)
def main(*, requests: int, count: int, as_json: bool) -> None:
    """Print the table, or the same as JSON."""
    with installation.on_postgresql() as house:
        settled = house.call("benchmarks.service.fleet_data:settle")
        fleet, lines = house.call(
            "benchmarks.service.fleet_data:at_work", fleet=settled, count=AT_WORK
        )
        with house.served(workers=1) as port, mcp_served(house) as mcp_port:
            told = rounds(
                port=port, mcp_port=mcp_port, fleet=fleet, line=lines[0], requests=requests,
                count=count,
            )  # fmt: skip
    if as_json:
        click.echo(json.dumps({"at_work": AT_WORK, "answers_a_second": told}, indent=2))
        return
    click.echo("| | answers/s | MCP ÷ that | rounds |")
    click.echo("|---|---|---|---|")
    for name, shown in NAMES.items():
        ratios = [row["mcp"] / row[name] for row in told]
        each = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        rate = statistics.median(row[name] for row in told)
        click.echo(f"| {shown} | {rate:,.0f} | {statistics.median(ratios):.2f} | {each} |")


if __name__ == "__main__":
    main()
