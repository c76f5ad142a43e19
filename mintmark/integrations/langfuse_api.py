"""Langfuse's public API: what it keeps, fetched page by page or read from a file of what the API answered; and the way
in for what is sent there."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from mintmark.common import errors

from . import announced_removals, import_report, strict_json

LIST_NAMES = ("prompts", "traces", "observations", "scores", "scoreConfigs")
"""The members of a file; `prompts` holds every version, as the API shows one."""
COMPOSED_MARKER = "@@@langfusePrompt:"
"""Begins a place in a text that Langfuse fills with another prompt."""
NOTES = "notes"
"""Beside the lists: what a report says of how they were fetched, as texts."""
TRACES_PATH = "/api/public/traces"
OBSERVATIONS_PATH, OBSERVATIONS_V2_PATH = "/api/public/observations", "/api/public/v2/observations"
SCORES_V2_PATH, SCORES_V3_PATH = "/api/public/v2/scores", "/api/public/v3/scores"
INGESTION_HEADERS = {"x-langfuse-ingestion-version": "4"}
"""With spans: they are read at once, and not after minutes, by a server of version 4; others pass it by."""
PUBLIC_KEY, SECRET_KEY = "LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY"
MAX_FILE_BYTES = 256 * 2**20
MAX_ANSWER_BYTES = 64 * 2**20
MAX_ROWS = 500_000
_PAGE_SIZE = 100
_MAX_ATTEMPTS = 4
_TIMEOUT_SECONDS = 30.0
_MAX_WAIT_SECONDS = 30.0
_MAX_MESSAGE_LENGTH = 300
_GONE = (404, 405, 410, 501)
"""So answers a server that has a route no more, or not yet."""

type LangfuseLists = dict[str, list[Any]]
type OnFetched = Callable[[str, int], None]
type ErrorFactory = Callable[[str, str], errors.DomainError]
"""Makes the refusal of a request that did not do what it should: from the path and what was wrong."""


class MissingKeys(errors.DomainError):
    """An API asks for keys, and the environment has none."""

    code = "missing_keys"


def load_lists(*, source: str, on_fetched: OnFetched = lambda name, count: None) -> LangfuseLists:
    """Everything that an importer needs, by list. `source` is the address of a server, or the path of a file.

    An address takes its keys from `LANGFUSE_PUBLIC_KEY` and `LANGFUSE_SECRET_KEY`. Raises `missing_keys`, or
    `UnreadableSource` where the file or an answer is not what the API documents.
    """
    if source.startswith(("http://", "https://")):
        return _fetch_lists(source, on_fetched)
    return _read_file(Path(source))


def _read_file(path: Path) -> LangfuseLists:
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise _build_error(
                path.name, f"It has {size:,} bytes; at most {MAX_FILE_BYTES:,} are read."
            )
        content = strict_json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise _build_error(path.name, f"It can't be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise _build_error(path.name, f"It is not UTF-8: byte {error.start}.") from error
    except json.JSONDecodeError as error:
        message = f"{error.msg}, column {error.colno}."
        raise _build_error(path.name, message, line=error.lineno) from error
    except (ValueError, RecursionError) as error:
        raise _build_error(path.name, "It is not valid JSON, or nested too deeply.") from error
    if not isinstance(content, Mapping) or not isinstance(content.get("prompts"), list):
        raise _build_error(
            path.name, f"It is not an object with the lists: {', '.join(LIST_NAMES)}."
        )
    for name in LIST_NAMES:
        if not isinstance(content.get(name, []), list):
            raise _build_error(path.name, "It is not a list.", field=name)
    if unknown := sorted(content.keys() - set(LIST_NAMES)):
        raise _build_error(path.name, f"Lists are {', '.join(LIST_NAMES)} here.", field=unknown[0])
    return complete_lists({name: list(content.get(name, [])) for name in LIST_NAMES})


def complete_lists(lists: LangfuseLists) -> LangfuseLists:
    """The same lists as version 3 of the server writes them, whichever wrote them.

    Version 4 has no traces, and their names on observations; what a score is about is in its `subject`.
    """
    known = {row.get("id") for row in lists["traces"] if isinstance(row, Mapping)}
    traces = {
        row["traceId"]: {"id": row["traceId"], "name": row["traceName"]}
        for row in lists["observations"]
        if isinstance(row, Mapping)
        and isinstance(row.get("traceId"), str)
        and row["traceId"] not in known
        and isinstance(row.get("traceName"), str)
    }
    scores = [_flatten_subject(row) for row in lists["scores"]]
    return lists | {"traces": [*lists["traces"], *traces.values()], "scores": scores}


def _flatten_subject(score: Any) -> Any:
    subject = score.get("subject") if isinstance(score, Mapping) else None
    if not isinstance(subject, Mapping):
        return score
    field = _SUBJECT_FIELDS.get(str(subject.get("kind")))
    flat = {field: subject.get("id")} if field is not None else {}
    if field == "observationId":
        flat["traceId"] = subject.get("traceId")
    return {name: value for name, value in score.items() if name != "subject"} | flat


_SUBJECT_FIELDS = {
    "trace": "traceId",
    "observation": "observationId",
    "session": "sessionId",
    "experiment": "datasetRunId",
}


def _fetch_lists(address: str, on_fetched: OnFetched) -> LangfuseLists:
    with open_api(address, build_error=_build_error) as api:
        heads = {
            head.get("name") if isinstance(head, Mapping) else None: head
            for head in api.iter_rows("/api/public/v2/prompts")
        }
        lists: LangfuseLists = {}
        lists["prompts"] = [row for head in heads.values() for row in api.iter_versions(head)]
        on_fetched("prompts", len(lists["prompts"]))
        lists |= _fetch_observations(api)
        lists["scores"] = list(api.iter_scores())
        lists["scoreConfigs"] = list(api.iter_rows("/api/public/score-configs"))
        lists = complete_lists(lists)
        for name in LIST_NAMES[1:]:
            on_fetched(name, len(lists[name]))
        return lists | {NOTES: build_route_notes(api)}


def _fetch_observations(api: "LangfuseApi") -> LangfuseLists:
    """Generations and traces. A server that is on its way to version 4 has older ones in the old lists alone."""
    only = {"type": "GENERATION"}
    rows = api.find_cursor_rows(
        OBSERVATIONS_V2_PATH, fields="core,basic,model,prompt,trace_context", **only
    )
    if not rows:
        old_traces = api.find_rows(TRACES_PATH)
        old_rows = api.find_rows(OBSERVATIONS_PATH, **only) if old_traces is not None else None
        if old_traces is not None and old_rows is not None:
            return {"traces": old_traces, "observations": old_rows}
        if rows is None:
            message = f"The server has neither it nor {TRACES_PATH}: is this Langfuse's address?"
            raise api.build_error(OBSERVATIONS_V2_PATH, message)
    return {"traces": [], "observations": rows}


def build_route_notes(api: "LangfuseApi") -> list[str]:
    """For a report: the lists that were read, and which of them are to go away."""
    routes = sorted(api.used_routes)
    if not routes:
        return []
    return [
        f"Langfuse was read over {', '.join(routes)}.",
        *announced_removals.build_warnings(
            tool="langfuse", routes=[f"GET {route}" for route in routes]
        ),
    ]


@contextmanager
def open_api(address: str, *, build_error: ErrorFactory) -> Iterator["LangfuseApi"]:
    """The API of a server, with the project's keys from the environment. Raises `missing_keys`."""
    if "@" in urlsplit(address).netloc:
        raise build_error(
            "the address",
            f"Keys are taken from {PUBLIC_KEY} and {SECRET_KEY}, never from an address.",
        )
    public, secret = os.environ.get(PUBLIC_KEY, ""), os.environ.get(SECRET_KEY, "")
    if not public or not secret:
        raise MissingKeys(f"Set {PUBLIC_KEY} and {SECRET_KEY} to a pair of keys of the project.")
    try:
        client = httpx.Client(
            base_url=address,
            auth=(public, secret),
            timeout=_TIMEOUT_SECONDS,
            follow_redirects=False,
        )
    except httpx.InvalidURL as error:
        raise build_error("the address", f"The address is not valid: {error}.") from error
    with client:
        yield LangfuseApi(client=client, build_error=build_error)


@dataclass(frozen=True, slots=True, kw_only=True)
class LangfuseApi:
    """Requests to a server of Langfuse; one that it was too busy for is made again a few times."""

    client: httpx.Client
    build_error: ErrorFactory
    used_routes: set[str] = field(default_factory=set)
    """Of the lists that servers of different versions have at different places: those that answered."""
    gone_routes: set[str] = field(default_factory=set)
    """Of the same, those that this server does not have."""

    def iter_rows(self, path: str, **query: str) -> Iterator[Any]:
        """The rows of a list, page by page."""
        page, row_count = 1, 0
        while True:
            page_body = self.get(path, page=str(page), limit=str(_PAGE_SIZE), **query)
            rows = page_body.get("data") if isinstance(page_body, Mapping) else None
            meta = page_body.get("meta") if isinstance(page_body, Mapping) else None
            pages = meta.get("totalPages") if isinstance(meta, Mapping) else None
            if not isinstance(rows, list) or not isinstance(pages, int):
                raise self.build_error(
                    path, f"Page {page} has no list `data` or no `meta.totalPages`."
                )
            yield from rows
            row_count += len(rows)
            if row_count > MAX_ROWS:
                raise self.build_error(
                    path, f"It has over {MAX_ROWS:,} rows; keep what you need as a file."
                )
            if page >= pages or not rows:
                return
            page += 1

    def find_rows(self, path: str, **query: str) -> list[Any] | None:
        """The rows of a list that has pages by number; None if the server has no such list."""
        if self._is_gone(path, page="1", limit="1", **query):
            return None
        return list(self.iter_rows(path, **query))

    def find_cursor_rows(self, path: str, **query: str) -> list[Any] | None:
        """The rows of a list that goes on by cursor; None if the server has no such list."""
        if path in self.gone_routes:
            return None
        rows: list[Any] = []
        cursors: set[str] = set()
        more: dict[str, str] = {}
        while True:
            status, body = self._request(
                "GET", path, query={"limit": str(_PAGE_SIZE), **query, **more}, body=None,
                busy=(429, 502, 503),
            )  # fmt: skip
            if status in _GONE and not cursors:
                self.gone_routes.add(path)
                return None
            if status != 200:
                raise self.build_error(path, f"The server answered {status}.")
            page = body.get("data") if isinstance(body, Mapping) else None
            meta = body.get("meta") if isinstance(body, Mapping) else None
            cursor = meta.get("cursor") if isinstance(meta, Mapping) else None
            if not isinstance(page, list) or not isinstance(meta, Mapping):
                raise self.build_error(path, "An answer has no list `data` or no `meta`.")
            if cursor is not None and (not isinstance(cursor, str) or cursor in cursors):
                raise self.build_error(path, "Its `meta.cursor` is no text, or came before.")
            rows += page
            if len(rows) > MAX_ROWS:
                raise self.build_error(
                    path, f"It has over {MAX_ROWS:,} rows; keep what you need as a file."
                )
            if not cursor:
                self.used_routes.add(path)
                return rows
            cursors.add(cursor)
            more = {"cursor": cursor}

    def iter_scores(self, ids: Sequence[str] = ()) -> Iterator[Any]:
        """Scores (of these ids, if some are given), from whichever list this server has them in."""
        wanted = {"id": ",".join(ids)} if ids else {}
        rows = self.find_cursor_rows(SCORES_V3_PATH, fields="details,subject", **wanted)
        if rows is None:
            wanted = {"scoreIds": ",".join(ids)} if ids else {}
            rows = self.find_rows(SCORES_V2_PATH, **wanted)
        if rows is None:
            message = f"The server has neither it nor {SCORES_V2_PATH}: is this Langfuse's address?"
            raise self.build_error(SCORES_V3_PATH, message)
        yield from rows

    def _is_gone(self, path: str, **query: str) -> bool:
        """Whether the server has no such list, asked once."""
        if path not in self.used_routes | self.gone_routes:
            status, _ = self._request("GET", path, query=query, body=None, busy=(429, 502, 503))
            (self.gone_routes if status in _GONE else self.used_routes).add(path)
        return path in self.gone_routes

    def iter_versions(self, head: Any) -> Iterator[Any]:
        """Every version of a prompt that stands in the list of prompts as `head`."""
        name = head.get("name") if isinstance(head, Mapping) else None
        numbers = head.get("versions") if isinstance(head, Mapping) else None
        if not isinstance(name, str) or not isinstance(numbers, list):
            path = "/api/public/v2/prompts"
            raise self.build_error(path, "A prompt has no name or no list of versions.")
        for number in numbers:
            path = f"/api/public/v2/prompts/{quote(name, safe='')}"
            yield self.get(path, version=str(number))

    def get(self, path: str, **query: str) -> Any:
        """What the server answers."""
        status, body = self._request("GET", path, query=query, body=None, busy=(429, 502, 503))
        if status != 200:
            raise self.build_error(path, f"The server answered {status}.")
        return body

    def send(
        self,
        method: str,
        path: str,
        body: Any,
        *,
        is_once: bool = False,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> tuple[Any, str]:
        """What the server answers to `body`, and in its words what it has against it, empty if it took it.

        What makes a new thing each time (`is_once`) is sent again only where the server says that it did nothing.
        """
        busy = (429,) if is_once else (429, 502, 503)
        status, answer = self._request(
            method, path, query={}, body=body, busy=busy, headers=headers
        )
        if status in (400, 404, 409, 422):
            message = (
                answer.get("message") or answer.get("error") if isinstance(answer, Mapping) else ""
            )
            return None, f"Langfuse answered {status}: {format_message(message)}"
        if status not in (200, 201, 202, 207):
            raise self.build_error(path, f"The server answered {status}.")
        return answer, ""

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str],
        body: Any,
        busy: tuple[int, ...],
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> tuple[int, Any]:
        for attempt in range(_MAX_ATTEMPTS):
            try:
                with self.client.stream(
                    method, path, params=query, json=body, headers=dict(headers)
                ) as response:
                    raw = b""
                    for chunk in response.iter_bytes():
                        raw += chunk
                        if len(raw) > MAX_ANSWER_BYTES:
                            raise self.build_error(
                                path, f"An answer has over {MAX_ANSWER_BYTES:,} bytes."
                            )
                    status, wait = response.status_code, response.headers.get("Retry-After", "")
            except httpx.HTTPError as error:
                message = f"The server can't be reached: {type(error).__name__}."
                raise self.build_error(path, message) from error
            except httpx.InvalidURL as url_error:
                raise self.build_error(
                    path, f"The address is not valid: {url_error}."
                ) from url_error
            if status not in busy or attempt == _MAX_ATTEMPTS - 1:
                break
            seconds = float(wait) if wait.isascii() and wait.isdigit() else 2.0**attempt
            time.sleep(min(seconds, _MAX_WAIT_SECONDS))
        if status in (401, 403):
            raise self.build_error(path, f"The server refuses the keys of {PUBLIC_KEY} ({status}).")
        try:
            return status, strict_json.loads(raw.decode() or "null")
        except (ValueError, RecursionError) as error:
            if status != 200:
                return status, None
            message = "The answer is not JSON: is this Langfuse's address?"
            raise self.build_error(path, message) from error


def format_message(message: object) -> str:
    """Words of a server, as one line of bounded length that a terminal can show."""
    text = " ".join(str(message or "without a reason").split())[:_MAX_MESSAGE_LENGTH]
    return "".join(character if character.isprintable() else "?" for character in text)


def _build_error(
    file: str, message: str, *, field: str = "", line: int | None = None
) -> import_report.UnreadableSource:
    row = import_report.SourceFieldError(
        row=0, field=field, value="", message=message, file=file, line=line
    )
    return import_report.build_unreadable_source(
        source_name="Langfuse's account" if file.startswith("/") else file, rows=[row]
    )
