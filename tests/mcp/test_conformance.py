"""What goes over the wire, in both revisions: requests that are wrong, and who does not come in at all."""

import json
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from mintmark.accounts import keys
from mintmark.mcp import http, rate_limit
from mintmark.ratelimit import counters
from tests.factories.mcp_scene import Scene

MODERN, LEGACY = "2026-07-28", "2025-11-25"
ACCEPT = "application/json, text/event-stream"


class Wire:
    """Bare HTTP: requests as a client of one revision sends them, whatever they hold."""

    def __init__(self, url: str, key: str, revision: str) -> None:
        self.revision = revision
        self.http = httpx.Client(
            headers={"Authorization": f"Bearer {key}", "Accept": ACCEPT}, timeout=60
        )
        self.url = url
        self.session: dict[str, str] = {}
        if revision == LEGACY:
            opened = self.post(
                "initialize",
                {
                    "protocolVersion": LEGACY,
                    "capabilities": {},
                    "clientInfo": {"name": "t", "version": "1"},
                },
            )
            assert _message(opened)["result"]["capabilities"]["prompts"]["listChanged"]
            self.session = {
                "Mcp-Session-Id": opened.headers["mcp-session-id"],
                "MCP-Protocol-Version": LEGACY,
            }
            note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
            assert self.http.post(url, json=note, headers=self.session).status_code == 202

    def post(self, method: str, params: dict[str, Any]) -> httpx.Response:
        return self.http.post(self.url, **self.request(method, params))

    def request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Body and headers of a request."""
        headers = dict(self.session)
        if self.revision == MODERN:
            headers |= {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
            name = params.get("name")
            if isinstance(name, str):
                headers["Mcp-Name"] = name
            params = params | {
                "_meta": params.get("_meta", {})
                | {
                    "io.modelcontextprotocol/protocolVersion": MODERN,
                    "io.modelcontextprotocol/clientCapabilities": {},
                }
            }
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return {"content": json.dumps(body), "headers": headers | _JSON}

    def asked(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        return _message(self.post(method, params))


_JSON = {"Content-Type": "application/json"}


def _message(response: httpx.Response) -> dict[str, Any]:
    if response.headers["content-type"].startswith("text/event-stream"):
        lines = [line for line in response.text.splitlines() if line.startswith("data: {")]
        return json.loads(lines[-1].removeprefix("data: "))  # type: ignore[no-any-return]
    return response.json()  # type: ignore[no-any-return]


@pytest.fixture(params=[MODERN, LEGACY])
def wire(request: pytest.FixtureRequest, scene: Scene, url: str) -> Wire:
    return Wire(url, scene.key(scene.scout), request.param)


def test_wrong_requests_of_prompts_are_invalid_params(wire: Wire) -> None:
    wrong: list[tuple[str, dict[str, Any], str]] = [
        ("prompts/get", {"name": "acme/none", "arguments": {}}, "No prompt 'acme/none'"),
        ("prompts/get", {"name": "acme/sorting"}, "needs ticket"),
        ("prompts/get", {"arguments": {}}, "params.name: Field required"),
        ("prompts/get", {"name": "acme/sorting", "arguments": {"ticket": 7}}, "arguments.ticket"),
        ("prompts/get", {"name": "acme/sorting", "arguments": ["T-1"]}, "params.arguments"),
        (
            "prompts/get",
            {"name": "acme/sorting", "arguments": {"ticket": "x" * 20_001}},
            "20,001 characters",
        ),
        ("prompts/list", {"cursor": "nonsense"}, "begin again without it"),
        ("prompts/list", {"cursor": 5}, "params.cursor"),
        ("tools/call", {"name": "sell_prompt", "arguments": {}}, "There is no tool 'sell_prompt'"),
    ]
    if wire.revision == LEGACY:  # the newer one says it a step before: name and header differ
        wrong.append(("prompts/get", {"name": 7}, "params.name: Input should be a valid string"))
    for method, params, says in wrong:
        error = wire.asked(method, params)["error"]
        assert error["code"] == -32602, (params, error)
        assert says in error["message"], (params, error)


def test_wrong_arguments_of_a_tool_are_told_to_the_model(wire: Wire) -> None:
    wrong: list[tuple[str, dict[str, Any], str]] = [
        ("explain_trust", {}, "arguments.prompt: Field required"),
        ("explain_trust", {"prompt": 7}, "arguments.prompt"),
        ("explain_trust", {"prompt": "acme/none"}, "No prompt 'acme/none'"),
        ("explain_trust", {"prompt": "x" * 301}, "at most 300 characters"),
        ("explain_trust", {"prompt": "a\0b"}, "U+0000"),
        ("explain_trust", {"prompt": "acme/sorting", "why": 1}, "arguments.why"),
        ("report_outcome", {"prompt": "acme/sorting", "ritual": "none", "score": 1, "key": "k"}, "none"),
        ("report_outcome", {"prompt": "acme/sorting", "ritual": "x", "score": 2, "key": "k"}, "score"),
        ("buy_prompt", {"price": "2", "key": "k"}, "Name one thing to buy"),
        ("buy_prompt", {"listing": 1, "price": "-2", "key": "k"}, "it must be more than 0"),
        ("buy_prompt", {"listing": 2**63, "price": "2", "key": "k"}, "arguments.listing"),
        ("inject_prompt", {"prompt": "acme/assay"}, "buy it first"),
        ("inject_prompt", {"prompt": "acme/sorting", "slot": "No"}, "slot"),
        ("rate_prompt", {"prompt": "acme/sorting", "stars": 6, "key": "k"}, "arguments.stars"),
        ("search_market", {"ritual": "none"}, "No ritual 'none'"),
        ("search_market", {"cursor": "nonsense"}, "begin again without it"),
        ("search_market", {"query": "x" * 250_000}, "at most 200,000"),
    ]  # fmt: skip
    for name, arguments, says in wrong:
        result = wire.asked("tools/call", {"name": name, "arguments": arguments})["result"]
        assert result["isError"], (name, arguments, result)
        assert says in result["content"][0]["text"], (name, arguments, result)
        # A client checks structured content against the tool's output schema.
        assert "structuredContent" not in result


def test_whole_numbers_may_come_with_a_point(wire: Wire) -> None:
    asked = {"name": "search_market", "arguments": {"limit": 2.0}}
    assert not wire.asked("tools/call", asked)["result"].get("isError")
    asked = {"name": "search_market", "arguments": {"limit": 2.5}}
    assert wire.asked("tools/call", asked)["result"]["isError"]


def test_every_tool_says_what_it_takes_and_answers(wire: Wire) -> None:
    told = wire.asked("tools/list", {})["result"]["tools"]
    assert {tool["name"] for tool in told} == {
        "search_market", "get_prompt", "buy_prompt", "inject_prompt", "rate_prompt", "report_outcome", "explain_trust",
    }  # fmt: skip
    for tool in told:
        assert tool["inputSchema"]["type"] == tool["outputSchema"]["type"] == "object"
        assert not tool["inputSchema"]["additionalProperties"]
        assert tool["description"]


def test_a_client_without_prompts_reads_them_by_a_tool(wire: Wire) -> None:
    def call(arguments: dict[str, Any]) -> Any:
        asked = {"name": "get_prompt", "arguments": arguments}
        return wire.asked("tools/call", asked)["result"]["structuredContent"]

    (standing,) = call({})["at_work"]
    assert (standing["name"], standing["variables"]) == ("acme/sorting", ["ticket", "team"])
    found = call({"prompt": standing["name"], "arguments": {"ticket": "T-1"}})["found"]
    assert found["text"] == "Sort T-1 by urgency for everybody.\nAnswer:"
    assert call({"prompt": "acme/sorting"})["found"]["open_variables"] == ["ticket"]
    assert "{ticket}" in call({"prompt": "acme/triage"})["found"]["text"]


def test_what_is_no_request_is_refused(wire: Wire) -> None:
    headers = wire.session | _JSON
    if wire.revision == MODERN:
        headers["MCP-Protocol-Version"] = MODERN
    for body in (b"{", b"[]", b'"x"', b'{"id": 1, "method": "ping"}', b"[" * 100_000):
        answer = wire.http.post(wire.url, content=body, headers=headers)
        assert answer.status_code == 400, body
        assert answer.json()["error"]["code"] in (-32700, -32600, -32602)
    assert wire.asked("prompts/burn", {})["error"]["code"] == -32601
    large = wire.http.post(wire.url, content=b" " * 2_000_000, headers=headers)
    assert large.status_code == 413


def test_a_revision_that_nobody_speaks_is_refused(scene: Scene, url: str) -> None:
    wire = Wire(url, scene.key(scene.scout), MODERN)
    answer = wire.http.post(
        url,
        json={
            "jsonrpc": "2.0",
            "id": 1,
            "method": "prompts/list",
            "params": {
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": "2031-01-01",
                    "io.modelcontextprotocol/clientCapabilities": {},
                }
            },
        },
        headers={"MCP-Protocol-Version": "2031-01-01", "Mcp-Method": "prompts/list"},
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["data"]["supported"] == [MODERN]


def test_nobody_comes_in_without_an_assistants_live_key(scene: Scene, url: str) -> None:
    ended = scene.key(scene.scout)
    scene.end_key(ended)
    person = keys.issue(principal=scene.principal(scene.cast.buyer), scopes=["read"]).secret
    for given, status, code in (
        (None, 401, "not_authenticated"),
        ("", 401, "not_authenticated"),
        ("Basic eDp5", 401, "not_authenticated"),
        ("Bearer", 401, "not_authenticated"),
        ("Bearer mm_00000000_nothing", 401, "not_authenticated"),
        ("Bearer ünbekannt", 401, "not_authenticated"),
        (f"Bearer {ended}", 401, "not_authenticated"),
        (f"Bearer {person}", 403, "forbidden"),
    ):
        headers = {"Authorization": given.encode("latin-1")} if given is not None else {}
        for method in ("GET", "POST", "DELETE"):
            answer = httpx.request(method, url, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (status, code), given
            assert ("www-authenticate" in answer.headers) == (status == 401)


def test_a_page_of_another_origin_and_another_host_are_refused(scene: Scene, url: str) -> None:
    key = {"Authorization": f"Bearer {scene.key(scene.scout)}", "Accept": ACCEPT}
    host = url.split("/")[2]
    for headers, status in (
        ({"Host": "rebound.example"}, 421),
        ({"Host": "rebound.example:80", "Origin": "http://rebound.example"}, 421),
        ({"Origin": "http://rebound.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[broken"}, 403),
        ({"Origin": f"http://{host}"}, 400),  # it comes in, and says nothing that is a request
    ):
        answer = httpx.post(url, headers=key | _JSON | headers, content=b"{}")
        assert answer.status_code == status, headers


def test_an_assistant_that_asks_too_much_is_told_when_to_come_back(
    scene: Scene, settings: Any
) -> None:
    settings.MCP_PER_MINUTE = 2
    key = {"Authorization": f"Bearer {scene.key(scene.scout)}"}
    transport = httpx.ASGITransport(app=http.build_application())

    async def ask() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            return [await http.get("/nowhere", headers=key) for _ in range(3)]

    answers = anyio.run(ask)
    assert [answer.status_code for answer in answers] == [404, 404, 429]
    assert answers[-1].json()["code"] == "too_many_requests"
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 30


def test_keys_are_guessed_no_faster_than_an_address_may_ask(
    scene: Scene, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = counters.Quotas(tmp_path / "quotas")
    monkeypatch.setattr(counters, "get_shared_quotas", lambda: mine)
    settings.API_ANONYMOUS_PER_MINUTE = 2
    good = scene.key(scene.scout)
    transport = httpx.ASGITransport(app=http.build_application())

    async def ask(*secrets: str) -> list[int]:
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            return [
                (await http.get("/nowhere", headers={"Authorization": f"Bearer {one}"})).status_code
                for one in secrets
            ]

    assert anyio.run(ask, good, "mm_a", "mm_b", "mm_c", scene.key(scene.scout), good) == [
        404, 401, 401, 429, 429, 404,
    ]  # fmt: skip


def test_calls_that_were_cut_off_are_under_way_no_longer(wire: Wire) -> None:
    """A client that goes away cancels what it asked for: else its waiting calls would keep its places."""
    waiting = {
        "name": "buy_prompt",
        "arguments": {"prompt": "acme/assay", "price": "50", "key": "k", "wait_seconds": 600},
        "_meta": {"progressToken": "t"},
    }
    with ExitStack() as streams:
        for _ in range(rate_limit.MAX_CONCURRENT):
            asked = wire.http.stream("POST", wire.url, **wire.request("tools/call", waiting))
            assert streams.enter_context(asked).status_code == 200
        assert wire.post("prompts/list", {}).status_code == 429
    deadline = time.monotonic() + 60
    while wire.post("prompts/list", {}).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_stream_of_the_older_revision_ends_with_its_key(scene: Scene, url: str) -> None:
    key = scene.key(scene.scout)
    wire = Wire(url, key, LEGACY)
    with wire.http.stream("GET", url, headers=wire.session) as stream:
        assert stream.status_code == 200
        scene.end_key(key)
        assert not [line for line in stream.iter_lines() if line.startswith("data: {")]
    assert wire.post("prompts/list", {}).status_code == 401


def test_a_session_is_its_openers_alone(scene: Scene, url: str) -> None:
    wire = Wire(url, scene.key(scene.scout), LEGACY)
    other = scene.cast.assistant("other", team=scene.cast.buyers)
    intruder = Wire(url, scene.key(other), LEGACY)
    intruder.session = wire.session
    assert intruder.post("prompts/list", {}).status_code == 404
    assert intruder.http.delete(url, headers=wire.session).status_code == 404
    assert [p["name"] for p in wire.asked("prompts/list", {})["result"]["prompts"]] == [
        "acme/sorting"
    ]
