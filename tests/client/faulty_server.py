"""A real HTTP server that behaves as servers do on bad days, and otherwise keeps events as Mintmark does: each key
once, a batch whole or not at all. Or it stands before a real Mintmark and passes on what it does not spoil.
"""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "mm_0a1b2c3d_a-key-that-opens-nothing-else"
ME = {"id": 7, "name": "scout", "kind": "assistant", "scopes": ["evidence", "read"]}
PROMPT = {
    "reference": "mint/summary@1", "digest": "sha256:1", "variables": ["text"], "text": "Sum up {text}.",
    "withdrawn_at": None,
}  # fmt: skip

type Answer = tuple[int, Any, dict[str, str]]


@dataclass
class Server:
    """What it saw and kept. `faults` are used up, one a write (or a read, where `spoils_reads`):

    `500`, `429`, `html`, `strange` (a 200 that is none): answered in the place of an answer; `cut`: the connection is
    cut before anything is done; `lost`: it is done, and the answer is lost; `slow`: it is done, and answered too late.
    """

    port: int = 0
    faults: "deque[str]" = field(default_factory=deque)
    spoils_reads: bool = False
    upstream: int | None = None
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    writes: int = 0
    reads: list[str] = field(default_factory=list)
    prompts: dict[str, dict[str, Any]] = field(default_factory=lambda: {"mint/summary": PROMPT})
    ranking: dict[str, Any] = field(default_factory=dict)
    me: dict[str, Any] = field(default_factory=lambda: dict(ME))
    refuses: Callable[[list[dict[str, Any]]], Answer | None] = lambda events: None
    is_known: bool = True
    retry_after: str = "0"
    released: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, method: str, path: str, etag: str, raw: bytes) -> Answer:
        if not self.is_known:
            return problem(401, "not_authenticated", "This key is unknown.")
        if method == "POST":
            return self._recorded(json.loads(raw)["events"])
        self.reads.append(path)
        if path.startswith("/api/v1/me"):
            return 200, self.me, {}
        if path.startswith("/api/v1/ranking"):
            return 200, self.ranking, {}
        for name, body in self.prompts.items():
            if path.endswith(f"ref={name.replace('/', '%2F').replace('@', '%40')}"):
                current = f'"{hash(json.dumps(body))}"'
                return (304, None, {}) if etag == current else (200, body, {"ETag": current})
        return problem(404, "not_found", "No such prompt.")

    def _recorded(self, events: list[dict[str, Any]]) -> Answer:
        refusal = self.refuses(events)
        if refusal is not None:
            return refusal
        with self.lock:
            new = {event["key"]: event for event in events if event["key"] not in self.events}
            self.events |= new
        body = {"recorded": len(new), "repeated": len(events) - len(new), "event": 1, "batch": 1}
        return 200, body, {}


def problem(status: int, code: str, detail: str, **more: Any) -> Answer:
    """A refusal as Mintmark answers it."""
    body = {"type": "", "title": "", "status": status, "detail": detail, "code": code} | more
    return status, body, {"Content-Type": "application/problem+json"}


@contextmanager
def served() -> Iterator[Server]:
    """The server on a free port of 127.0.0.1, until the block ends."""
    told = Server()

    class Handler(_Handler):
        server_told = told

    http = _Http(("127.0.0.1", 0), Handler)
    told.port = http.server_address[1]
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield told
    finally:
        told.released.set()
        http.shutdown()
        http.server_close()
        thread.join(timeout=5)


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        return None  # callers hang up on it: that is what it is here for


class _Handler(BaseHTTPRequestHandler):
    server_told: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def log_message(self, *_: object) -> None:
        return None

    def _answer(self, method: str) -> None:
        told = self.server_told
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = ""
        if method == "POST" or told.spoils_reads:
            told.writes += method == "POST"
            fault = told.faults.popleft() if told.faults else ""
        match fault:
            case "500" | "429":
                self._send(int(fault), b"{}", {"Retry-After": told.retry_after})
            case "html":
                self._send(404, b"<h1>Nothing here</h1>", {"Content-Type": "text/html"})
            case "strange":
                self._send(200, b'{"hello": "world"}', {})
            case "cut":
                self.close_connection = True
            case _:
                status, body, headers = self._done(method, raw)
                if fault == "lost":
                    self.close_connection = True
                    return
                if fault == "slow":
                    told.released.wait(20)
                self._send(status, body, headers)

    def _done(self, method: str, raw: bytes) -> tuple[int, bytes, dict[str, str]]:
        told = self.server_told
        if told.upstream is None:
            status, body, headers = told.answer(
                method, self.path, self.headers.get("If-None-Match", ""), raw
            )
            return status, b"" if body is None else json.dumps(body).encode(), headers
        behind = HTTPConnection("127.0.0.1", told.upstream, timeout=30)
        try:
            kept = ("Authorization", "Content-Type", "If-None-Match")
            given = {name: self.headers[name] for name in kept if name in self.headers}
            behind.request(method, self.path, body=raw or None, headers=given)
            response = behind.getresponse()
            passed = ("Content-Type", "ETag", "Retry-After")
            found = {n: response.headers[n] for n in passed if n in response.headers}
            return response.status, response.read(), found
        except OSError:
            return 502, b"", {}
        finally:
            behind.close()

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | headers).items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status != 304:
            self.wfile.write(body)


def until(holds: Callable[[], bool], *, what: str) -> None:
    """Wait until something holds; a minute is more than it ever takes."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)
