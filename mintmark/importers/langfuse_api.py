"""Langfuse's public API: what it keeps, fetched page by page or read from a file of what the API answered; and the way
in for what is sent there."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from mintmark.core import errors

from . import reports

LISTS = ("prompts", "traces", "observations", "scores", "scoreConfigs")
"""The members of a file; `prompts` holds every version, as the API shows one."""
PUBLIC_KEY, SECRET_KEY = "LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY"
MAX_FILE_BYTES = 256 * 2**20
MAX_ANSWER_BYTES = 64 * 2**20
MOST_ROWS = 500_000
_PAGE = 100
_ATTEMPTS = 4
_SECONDS = 30.0
_LONGEST_WAIT_SECONDS = 30.0
_MOST_SAID = 300

type Lists = dict[str, list[Any]]
type Fetched = Callable[[str, int], None]
type Failed = Callable[[str, str], errors.Refusal]
"""Makes the refusal of a request that did not do what it should: told the path and what was wrong."""


class MissingKeys(errors.Refusal):
    """An API asks for keys, and the environment has none."""

    code = "missing_keys"


def read(*, source: str, fetched: Fetched = lambda what, count: None) -> Lists:
    """Everything that an importer needs, by list. `source` is the address of a server, or the path of a file.

    An address takes its keys from `LANGFUSE_PUBLIC_KEY` and `LANGFUSE_SECRET_KEY`. Raises `missing_keys`, or
    `UnreadableSource` where the file or an answer is not what the API documents.
    """
    if source.startswith(("http://", "https://")):
        return _fetched(source, fetched)
    return _file(Path(source))


def _file(path: Path) -> Lists:
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise _broken(path.name, f"It has {size:,} bytes; at most {MAX_FILE_BYTES:,} are read.")
        found = json.loads(path.read_bytes().decode("utf-8-sig"), parse_constant=_no_constant)
    except OSError as failed:
        raise _broken(path.name, f"It can't be read: {failed.strerror}.") from failed
    except UnicodeDecodeError as failed:
        raise _broken(path.name, f"It is not UTF-8: byte {failed.start}.") from failed
    except json.JSONDecodeError as failed:
        message = f"{failed.msg}, column {failed.colno}."
        raise _broken(path.name, message, line=failed.lineno) from failed
    except (ValueError, RecursionError) as failed:
        raise _broken(path.name, "It is no JSON, or nested too deep.") from failed
    if not isinstance(found, Mapping) or not isinstance(found.get("prompts"), list):
        raise _broken(path.name, f"It is no object of lists: {', '.join(LISTS)}.")
    for name in LISTS:
        if not isinstance(found.get(name, []), list):
            raise _broken(path.name, "It is no list.", field=name)
    if unknown := sorted(found.keys() - set(LISTS)):
        raise _broken(path.name, f"Lists are {', '.join(LISTS)} here.", field=unknown[0])
    return {name: list(found.get(name, [])) for name in LISTS}


def _fetched(address: str, fetched: Fetched) -> Lists:
    with opened(address, failed=_broken) as api:
        lists: Lists = {}
        heads = list(api.pages("/api/public/v2/prompts"))
        lists["prompts"] = [one for head in heads for one in api.versions(head)]
        fetched("prompts", len(lists["prompts"]))
        for name, path in (
            ("traces", "/api/public/traces"),
            ("observations", "/api/public/observations"),
            ("scores", "/api/public/v2/scores"),
            ("scoreConfigs", "/api/public/score-configs"),
        ):
            only = {"type": "GENERATION"} if name == "observations" else {}
            lists[name] = list(api.pages(path, **only))
            fetched(name, len(lists[name]))
    return lists


@contextmanager
def opened(address: str, *, failed: Failed) -> Iterator["Api"]:
    """The API of a server, with the project's keys from the environment. Raises `missing_keys`."""
    if "@" in urlsplit(address).netloc:
        raise failed(
            "the address",
            f"Keys are taken from {PUBLIC_KEY} and {SECRET_KEY}, never from an address.",
        )
    public, secret = os.environ.get(PUBLIC_KEY, ""), os.environ.get(SECRET_KEY, "")
    if not public or not secret:
        raise MissingKeys(f"Set {PUBLIC_KEY} and {SECRET_KEY} to a pair of keys of the project.")
    try:
        client = httpx.Client(
            base_url=address, auth=(public, secret), timeout=_SECONDS, follow_redirects=False
        )
    except httpx.InvalidURL as wrong:
        raise failed("the address", f"The address is none: {wrong}.") from wrong
    with client:
        yield Api(client=client, failed=failed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """Requests to a server of Langfuse; one that it was too busy for is made again a few times."""

    client: httpx.Client
    failed: Failed

    def pages(self, path: str, **query: str) -> Iterator[Any]:
        """The rows of a list, page by page."""
        page, seen = 1, 0
        while True:
            found = self.get(path, page=str(page), limit=str(_PAGE), **query)
            rows = found.get("data") if isinstance(found, Mapping) else None
            meta = found.get("meta") if isinstance(found, Mapping) else None
            pages = meta.get("totalPages") if isinstance(meta, Mapping) else None
            if not isinstance(rows, list) or not isinstance(pages, int):
                raise self.failed(path, f"Page {page} has no list `data` or no `meta.totalPages`.")
            yield from rows
            seen += len(rows)
            if seen > MOST_ROWS:
                raise self.failed(
                    path, f"It has over {MOST_ROWS:,} rows; keep what you need as a file."
                )
            if page >= pages or not rows:
                return
            page += 1

    def versions(self, head: Any) -> Iterator[Any]:
        """Every version of a prompt that stands in the list of prompts as `head`."""
        name = head.get("name") if isinstance(head, Mapping) else None
        numbers = head.get("versions") if isinstance(head, Mapping) else None
        if not isinstance(name, str) or not isinstance(numbers, list):
            path = "/api/public/v2/prompts"
            raise self.failed(path, "A prompt has no name or no list of versions.")
        for number in numbers:
            path = f"/api/public/v2/prompts/{quote(name, safe='')}"
            yield self.get(path, version=str(number))

    def get(self, path: str, **query: str) -> Any:
        """What the server answers."""
        status, body = self._ask("GET", path, query=query, body=None, busy=(429, 502, 503))
        if status != 200:
            raise self.failed(path, f"The server answered {status}.")
        return body

    def send(self, method: str, path: str, body: Any, *, is_once: bool = False) -> tuple[Any, str]:
        """What the server answers to `body`, and in its words what it has against it, empty if it took it.

        What makes a new thing each time (`is_once`) is sent again only where the server says that it did nothing.
        """
        busy = (429,) if is_once else (429, 502, 503)
        status, answer = self._ask(method, path, query={}, body=body, busy=busy)
        if status in (400, 404, 409, 422):
            said = (
                answer.get("message") or answer.get("error") if isinstance(answer, Mapping) else ""
            )
            return None, f"Langfuse answered {status}: {_plain(said)}"
        if status not in (200, 201, 207):
            raise self.failed(path, f"The server answered {status}.")
        return answer, ""

    def _ask(
        self, method: str, path: str, *, query: Mapping[str, str], body: Any, busy: tuple[int, ...]
    ) -> tuple[int, Any]:
        for attempt in range(_ATTEMPTS):
            try:
                with self.client.stream(method, path, params=query, json=body) as response:
                    raw = b""
                    for part in response.iter_bytes():
                        raw += part
                        if len(raw) > MAX_ANSWER_BYTES:
                            raise self.failed(
                                path, f"An answer has over {MAX_ANSWER_BYTES:,} bytes."
                            )
                    status, wait = response.status_code, response.headers.get("Retry-After", "")
            except httpx.HTTPError as failed:
                message = f"The server can't be reached: {type(failed).__name__}."
                raise self.failed(path, message) from failed
            except httpx.InvalidURL as wrong:
                raise self.failed(path, f"The address is none: {wrong}.") from wrong
            if status not in busy or attempt == _ATTEMPTS - 1:
                break
            seconds = float(wait) if wait.isascii() and wait.isdigit() else 2.0**attempt
            time.sleep(min(seconds, _LONGEST_WAIT_SECONDS))
        if status in (401, 403):
            raise self.failed(path, f"The server refuses the keys of {PUBLIC_KEY} ({status}).")
        try:
            return status, json.loads(raw.decode() or "null", parse_constant=_no_constant)
        except (ValueError, RecursionError) as failed:
            if status != 200:
                return status, None
            message = "The answer is no JSON: is this Langfuse's address?"
            raise self.failed(path, message) from failed


def _plain(said: object) -> str:
    """Words of a server, as one line of bounded length that a terminal can show."""
    text = " ".join(str(said or "without a reason").split())[:_MOST_SAID]
    return "".join(one if one.isprintable() else "?" for one in text)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _broken(
    file: str, message: str, *, field: str = "", line: int | None = None
) -> reports.UnreadableSource:
    place = reports.Place(row=0, field=field, value="", message=message, file=file, line=line)
    return reports.unreadable(
        what="Langfuse's account" if file.startswith("/") else file, places=[place]
    )
