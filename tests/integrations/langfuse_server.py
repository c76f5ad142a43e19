"""A small HTTP server that answers as Langfuse's public API is documented to: keys, pages, a busy moment; versions that
count up, labels that stand at one version of a prompt, tags that all its versions share, scores and spans with ids.

It is a server of version 3, of version 4 in its default write mode, or on its way (34): `langfuse_facts.json` says what
each documents, and a parameter or a field that is not documented is refused.
"""

import json
import re
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

KEYS = ("pk-lf-1", "sk-lf-1")
_PROMPTS = "/api/public/v2/prompts"
_FACTS = json.loads(Path(__file__).with_name("langfuse_facts.json").read_text())
_LABEL = re.compile(r"[a-z0-9_\-.]{1,36}")

type Answer = tuple[int, Any]


class Project:
    """What a project holds, changed as the API's requests change it."""

    def __init__(self, lists: dict[str, Any]) -> None:
        self.lists = lists
        self.lock = threading.Lock()

    def versions(self, name: str) -> list[dict[str, Any]]:
        return [one for one in self.lists["prompts"] if one["name"] == name]

    def create_prompt(self, body: dict[str, Any]) -> Answer:
        """The next version of the name: `latest`, and whatever label it asks for, leaves the versions before it."""
        name, kind, labels = body.get("name"), body.get("type", "text"), body.get("labels") or []
        if not isinstance(name, str) or not 1 <= len(name) <= 255 or "|" in name or name == "new":
            return 400, {"message": "Invalid request data", "error": "name"}
        if not isinstance(body.get("prompt"), str if kind == "text" else list):
            return 400, {"message": "Invalid request data", "error": "prompt"}
        if why := self._bad_labels(labels):
            return 400, {"message": why}
        before = self.versions(name)
        if before and before[-1]["type"] != kind:
            why = "Previous versions have different prompt type. Create a new prompt with a different name."
            return 400, {"message": why, "error": "InvalidRequestError"}
        tags = body.get("tags")
        if tags is None:
            tags = before[-1]["tags"] if before else []
        made = {
            "name": name,
            "version": max((one["version"] for one in before), default=0) + 1,
            "type": kind,
            "prompt": body["prompt"],
            "config": body.get("config") or {},
            "labels": [],
            "tags": tags,
            "commitMessage": body.get("commitMessage"),
            "resolutionGraph": None,
        }
        self.lists["prompts"].append(made)
        for one in before:
            one["tags"] = tags
        self._put_labels(made, [*labels, "latest"])
        return 201, made

    def update_labels(self, name: str, number: int, body: dict[str, Any]) -> Answer:
        """New labels of a version, taken from the other versions of the prompt."""
        labels = body.get("newLabels")
        if not isinstance(labels, list):
            return 400, {"message": "Invalid request data"}
        if why := self._bad_labels(labels):
            return 400, {"message": why}
        for one in self.versions(name):
            if one["version"] == number:
                self._put_labels(one, labels)
                return 200, one
        return 404, {"message": f"Prompt not found: {name}"}

    def _bad_labels(self, labels: list[str]) -> str:
        if "latest" in labels:
            return "Label 'latest' is always assigned to the latest prompt version"
        if not all(_LABEL.fullmatch(one) for one in labels):
            return "Label must be lowercase alphanumeric with optional underscores, hyphens, or periods"
        return ""

    def _put_labels(self, version: dict[str, Any], labels: list[str]) -> None:
        for one in self.versions(version["name"]):
            if one is not version:
                one["labels"] = [label for label in one["labels"] if label not in labels]
        version["labels"] = list(dict.fromkeys([*version["labels"], *labels]))

    def create_score(self, body: dict[str, Any]) -> Answer:
        """A score under its id: the same id again is the same score, with what it says now."""
        about = [key for key in ("traceId", "sessionId", "datasetRunId") if body.get(key)]
        value = body.get("value")
        if len(about) != 1 or not isinstance(body.get("name"), str) or not body["name"]:
            return 400, {"message": "Invalid request data"}
        if isinstance(value, bool) or not isinstance(value, int | float):
            return 400, {"message": "Invalid request data", "error": "value"}
        made = {"source": "API", "configId": None, "observationId": None, "timestamp": _NOW} | body
        self._put("scores", made)
        return 200, {"id": body["id"]}

    def export_spans(self, body: dict[str, Any]) -> Answer:
        """Spans of OTLP in JSON, as the traces and generations that their attributes say they are."""
        for resource in body["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    if not re.fullmatch("[0-9a-f]{32}", span["traceId"]):
                        return 400, {"message": "traceId"}
                    if not re.fullmatch("[0-9a-f]{16}", span["spanId"]):
                        return 400, {"message": "spanId"}
                    said = {
                        one["key"]: next(iter(one["value"].values())) for one in span["attributes"]
                    }
                    trace = {"id": span["traceId"], "name": said.get("langfuse.trace.name")}
                    self._put("traces", trace | {"timestamp": span["startTimeUnixNano"]})
                    self._put(
                        "observations",
                        {
                            "id": span["spanId"],
                            "traceId": span["traceId"],
                            "type": said.get("langfuse.observation.type", "span").upper(),
                            "model": said.get("langfuse.observation.model.name"),
                            "promptName": said.get("langfuse.observation.prompt.name"),
                            "promptVersion": said.get("langfuse.observation.prompt.version"),
                            "environment": said.get("langfuse.environment", "default"),
                        },
                    )
        return 200, {}

    def _put(self, name: str, row: dict[str, Any]) -> None:
        self.lists[name][:] = [one for one in self.lists[name] if one["id"] != row["id"]] + [row]


_NOW = "2026-11-01T12:00:00.000Z"


def _show_as_version_4(
    rows: list[Any], lists: dict[str, Any], route: Any, fields: str
) -> list[Any]:
    """Rows as the newer lists write them: only the groups of fields that were asked for, typed values, a subject."""
    groups = {*route["always"], *(fields.split(",") if fields else route["default"])}
    shown = {name for group in groups for name in route["fields"][group]}
    names = {trace["id"]: trace["name"] for trace in lists["traces"]}
    written = []
    for raw in rows:
        row = dict(raw)
        if route["list"] == "observations":
            row["traceName"] = names.get(row["traceId"])
        else:
            kind = "observation" if row.get("observationId") else "trace"
            row["subject"] = {"kind": kind, "id": row.get(f"{kind}Id"), "traceId": row["traceId"]}
            if row.get("dataType") == "BOOLEAN":
                row["value"] = bool(row["value"])
        written.append({name: value for name, value in row.items() if name in shown})
    return written


def _handler(
    lists: dict[str, Any], *, page_size: int, is_busy_first: bool, version: int, asked: list[str]
) -> Any:
    facts = _FACTS[str(version)]
    project = Project(lists)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """The tests' output is for the tests."""

        def do_GET(self) -> None:
            self._reply(self._get)

        def do_POST(self) -> None:
            self._reply(self._post)

        def do_PATCH(self) -> None:
            self._reply(self._patch)

        def _reply(self, answer: Any) -> None:
            asked.append(self.path)
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length) or b"null")
            scheme, _, told = self.headers.get("Authorization", "").partition(" ")
            status: int
            found: Any
            if scheme != "Basic" or b64decode(told).decode() != ":".join(KEYS):
                status, found = 401, {"message": "Invalid credentials"}
            elif is_busy_first and len(asked) == 1:
                status, found = 429, {}
            else:
                address = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(address.query).items()}
                with project.lock:
                    status, found = answer(address.path, query, body)
            raw = json.dumps(found).encode()
            self.send_response(status)
            if status == 429:
                self.send_header("Retry-After", "0")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def _get(self, path: str, query: dict[str, str], _: Any) -> Answer:
            if path == _PROMPTS:
                names = sorted({one["name"] for one in lists["prompts"]})
                heads = [
                    {"name": name, "versions": [one["version"] for one in project.versions(name)]}
                    for name in names
                ]
                return 200, self._page(heads, query)
            if path.startswith(f"{_PROMPTS}/"):
                for one in project.versions(unquote(path.removeprefix(f"{_PROMPTS}/"))):
                    if str(one["version"]) == query["version"]:
                        return 200, one
            if path in facts["lists"]:
                return self._list(facts["lists"][path], query)
            return 404, {"message": "Not found"}

        def _list(self, route: Any, query: dict[str, str]) -> Answer:
            fields = query.get("fields", "")
            known_groups = route.get("fields", {})
            if unknown := set(query) - set(route["query"]):
                return 400, {"message": f"unknown parameters {unknown}"}
            if fields and set(fields.split(",")) - set(known_groups):
                return 400, {"message": f"unknown fields in {fields}"}
            rows = lists.get(route["list"], [])
            if wanted := query.get("scoreIds") or query.get("id"):
                rows = [one for one in rows if one["id"] in wanted.split(",")]
            if "type" in query:
                rows = [one for one in rows if one["type"] == query["type"]]
            if route["paging"] == "page":
                return 200, self._page(rows, query)
            rows = _show_as_version_4(rows, lists, route, fields)
            start = int(query.get("cursor", "at-0").removeprefix("at-"))
            size = min(page_size, int(query["limit"]))
            meta: dict[str, Any] = {"limit": size}
            if start + size < len(rows):
                meta["cursor"] = f"at-{start + size}"
            return 200, {"data": rows[start : start + size], "meta": meta}

        def _post(self, path: str, _: Any, body: Any) -> Answer:
            if path == _PROMPTS:
                return project.create_prompt(body)
            if path == "/api/public/scores":
                if isinstance(body, list) != (facts["score_body"] == "list"):
                    return 400, {"message": "Invalid request data"}
                if not isinstance(body, list):
                    return project.create_score(body)
                refused = [
                    answer for one in body if (answer := project.create_score(one))[0] != 200
                ]
                if not refused:
                    return 202, {"message": "Accepted"}
                counts = {"accepted": len(body) - len(refused), "rejected": len(refused)}
                return 207, counts | {"errors": [{"message": one["error"]} for _, one in refused]}
            if path == "/api/public/otel/v1/traces":
                header = facts["ingestion_header"]
                if header and self.headers.get(header) != "4":
                    return 400, {"message": f"{header} is missing: these spans are read much later"}
                return project.export_spans(body)
            return 404, {"message": "Not found"}

        def _patch(self, path: str, _: Any, body: Any) -> Answer:
            if found := re.fullmatch(rf"{_PROMPTS}/([^/]+)/versions/(\d+)", path):
                return project.update_labels(unquote(found[1]), int(found[2]), body)
            return 404, {"message": "Not found"}

        def _page(self, rows: list[Any], query: dict[str, str]) -> Any:
            page, size = int(query["page"]), min(page_size, int(query["limit"]))
            start, pages = (page - 1) * size, -(-len(rows) // size)
            meta = {"page": page, "limit": size, "totalItems": len(rows), "totalPages": pages}
            return {"data": rows[start : start + size], "meta": meta}

    return Handler


@contextmanager
def serving(
    lists: dict[str, Any],
    *,
    page_size: int = 2,
    is_busy_first: bool = True,
    version: int = 3,
    asked: list[str] | None = None,
) -> Iterator[str]:
    """Serve these lists until the block ends; yields the address. The first request meets a busy server.

    Every request's path and query is added to `asked`.
    """
    handler = _handler(
        lists, page_size=page_size, is_busy_first=is_busy_first, version=version,
        asked=[] if asked is None else asked,
    )  # fmt: skip
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
