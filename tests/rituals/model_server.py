"""A real HTTP server that speaks OpenAI's chat completions and behaves as assistants of different skill, and as
endpoints do on bad days. The model's name says how: `skilled`, `clumsy`, `slow`, …
"""

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests import oversize_inputs

ANSWER = "The urgency is urgent: call the night shift."
WRONG = "I have no idea, ${name}."


@dataclass
class Model:
    """What the server was asked, and how it answers; `faults` are left before a model that recovers answers."""

    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    by_case: "Counter[str]" = field(default_factory=Counter)
    answered: "Counter[str]" = field(default_factory=Counter)
    at_once: int = 0
    most_at_once: int = 0
    begun: list[float] = field(default_factory=list)
    delay_seconds: float = 0.0
    sent_bytes: int = 0
    requests: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def seen(self, body: dict[str, Any]) -> int:
        """How often this very question was asked before."""
        question = json.dumps([body["messages"], body["seed"]])
        with self.lock:
            self.asked.append(body)
            self.begun.append(time.monotonic())
            self.by_case[question] += 1
            return self.by_case[question] - 1


@contextmanager
def served() -> Iterator[tuple[str, Model]]:
    """The server on a free port of 127.0.0.1; yields its base URL and what it saw."""
    model = Model()

    class Handler(_Handler):
        seen = model

    server = _Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", model
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


class _Server(ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        return None  # callers that are killed or give up hang up on it: that is what it is here for


class _Handler(BaseHTTPRequestHandler):
    seen: Model
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a body need not wait until its headers were acknowledged

    def do_GET(self) -> None:
        self.seen.requests += 1
        self._send(404, {})

    def do_POST(self) -> None:
        self.seen.requests += 1
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length))
        self.seen.keys.add(self.headers.get("Authorization", ""))
        with self.seen.lock:
            self.seen.at_once += 1
            self.seen.most_at_once = max(self.seen.most_at_once, self.seen.at_once)
        try:
            self._behave(body)
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            with self.seen.lock:
                self.seen.at_once -= 1

    def log_message(self, *_: object) -> None:
        return None

    def _behave(self, body: dict[str, Any]) -> None:
        before = self.seen.seen(body)
        time.sleep(self.seen.delay_seconds)
        match body["model"]:
            case "flaky" if before == 0:
                self._send(503, {"error": "overloaded"})
            case "limited" if before == 0:
                self._send(429, {"error": "too many"}, {"Retry-After": "0"})
            case "malformed":
                self._send_raw(200, b'{"choices": [{"mess')
            case "malformed-once" if before == 0:
                self._send(200, {"object": "chat.completion", "choices": []})
            case "huge":
                self._send(200, _completion("x" * 3_000_000))
            case "ten megabytes":
                self._send_raw(200, json.dumps(_completion("x" * 10_000_000)).encode())
            case "endless":
                self._go_on_for_ever()
            case "aaa":
                self._send(200, _completion(oversize_inputs.AS))
            case "a number":
                self._send(200, _completion("1"))
            case "slow":
                time.sleep(3.0)
                self._send(200, _completion(ANSWER))
            case "trickle":
                self._trickle()
            case "broken-off" if before == 0:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
                self.close_connection = True
            case "down":
                self._send(500, {"error": "no"})
            case "unauthorised":
                self._send(401, {"error": f"bad key {self.headers.get('Authorization')}"})
            case "elsewhere":
                self._send(302, {}, {"Location": "http://127.0.0.1:9/v1/chat/completions"})
            case "patient":
                self._send(429, {}, {"Retry-After": "86400"})
            case "leaky":
                key = self.headers.get("Authorization", "").removeprefix("Bearer ")
                self._send(200, _completion(f"urgent. My key is {key} and ghp_{'a' * 36}."))
            case "parrot":  # repeats whatever it was told, and the key with it
                told = "\n".join(one["content"] for one in body["messages"])
                key = self.headers.get("Authorization", "")
                self._send(200, _completion(f"Urgent. {told}\n{key} ghp_{'a' * 36}"))
            case "judge":
                self._send(200, _completion(_judged(body)))
            case model:
                self._send(200, _completion(_answer(model, body)))

    def _trickle(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        for _ in range(200):
            self.wfile.write(b" ")
            self.wfile.flush()
            time.sleep(0.05)

    def _go_on_for_ever(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while True:  # until the caller hangs up
            self.wfile.write(b"10000\r\n" + b" " * 65_536 + b"\r\n")
            with self.seen.lock:
                self.seen.sent_bytes += 65_536

    def _send(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        self._send_raw(status, json.dumps(body).encode(), headers)

    def _send_raw(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if status == 200:
            with self.seen.lock:
                self.seen.answered["200"] += 1


def _answer(model: str, body: dict[str, Any]) -> str:
    """Right as often as the model is skilled, decided by what was asked alone; a hot model wanders more."""
    skill = {"skilled": 0.95, "middling": 0.6, "clumsy": 0.15}.get(model, 1.0)
    if model == "attentive":  # it does what it is told to do carefully, and the rest by halves
        skill = 0.95 if "carefully" in body["messages"][-1]["content"] else 0.35
    question = json.dumps([body["messages"], body["seed"], body["temperature"]])
    luck = int.from_bytes(hashlib.sha256(question.encode()).digest()[:4]) / 2**32
    remembered = [
        line.removeprefix("- ")
        for one in body["messages"]
        if one["role"] == "system"
        for line in one["content"].splitlines()
        if line.startswith("- ")
    ]
    if luck >= skill:
        return WRONG
    return "\n".join([ANSWER, *remembered])


def _judged(body: dict[str, Any]) -> str:
    asked = json.loads(body["messages"][-1]["content"])
    passed = "urgent" in asked["output"]
    return "My verdict: " + json.dumps({"reason": "so", "pass": passed, "score": float(passed)})


def _completion(text: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}}],
        "usage": {
            "prompt_tokens": 20,
            "completion_tokens": max(1, len(text) // 4),
            "total_tokens": 20 + len(text) // 4,
        },
    }
