"""A small HTTP server that answers as Langfuse's public API is documented to: keys, pages, a busy moment."""

import json
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

KEYS = ("pk-lf-1", "sk-lf-1")
_PATHS = {
    "/api/public/traces": "traces",
    "/api/public/observations": "observations",
    "/api/public/v2/scores": "scores",
    "/api/public/score-configs": "scoreConfigs",
}


@contextmanager
def serving(lists: dict[str, Any], *, page_size: int = 2) -> Iterator[str]:
    """Serve these lists until the block ends; yields the address. The first request meets a busy server."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """The tests' output is for the tests."""

        def do_GET(self) -> None:
            asked.append(self.path)
            status, body = self._answer()
            raw = json.dumps(body).encode()
            self.send_response(status)
            if status == 429:
                self.send_header("Retry-After", "0")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def _answer(self) -> tuple[int, Any]:
            scheme, _, told = self.headers.get("Authorization", "").partition(" ")
            if scheme != "Basic" or b64decode(told).decode() != ":".join(KEYS):
                return 401, {"message": "Invalid credentials"}
            if len(asked) == 1:
                return 429, {}
            address = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(address.query).items()}
            if address.path == "/api/public/v2/prompts":
                names = sorted({one["name"] for one in lists["prompts"]})
                heads = [
                    {"name": name, "versions": [p["version"] for p in lists["prompts"] if p["name"] == name]}
                    for name in names
                ]  # fmt: skip
                return 200, self._page(heads, int(query["page"]))
            if address.path.startswith("/api/public/v2/prompts/"):
                name = unquote(address.path.removeprefix("/api/public/v2/prompts/"))
                for one in lists["prompts"]:
                    if one["name"] == name and str(one["version"]) == query["version"]:
                        return 200, one
            if address.path in _PATHS:
                return 200, self._page(lists[_PATHS[address.path]], int(query["page"]))
            return 404, {"message": "Not found"}

        def _page(self, rows: list[Any], page: int) -> Any:
            start = (page - 1) * page_size
            pages = -(-len(rows) // page_size)
            meta = {"page": page, "limit": page_size, "totalItems": len(rows), "totalPages": pages}
            return {"data": rows[start : start + page_size], "meta": meta}

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
