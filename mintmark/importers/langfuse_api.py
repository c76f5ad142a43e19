"""What Langfuse keeps, fetched page by page over its public API, or read from a file of what that API answered."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
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

type Lists = dict[str, list[Any]]
type Fetched = Callable[[str, int], None]


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
    if "@" in urlsplit(address).netloc:
        raise _broken(
            "the address",
            f"Keys are taken from {PUBLIC_KEY} and {SECRET_KEY}, never from an address.",
        )
    public, secret = os.environ.get(PUBLIC_KEY, ""), os.environ.get(SECRET_KEY, "")
    if not public or not secret:
        raise MissingKeys(f"Set {PUBLIC_KEY} and {SECRET_KEY} to a pair of keys of the project.")
    with httpx.Client(
        base_url=address, auth=(public, secret), timeout=_SECONDS, follow_redirects=False
    ) as client:
        lists: Lists = {}
        heads = list(_pages(client, "/api/public/v2/prompts"))
        lists["prompts"] = list(_versions(client, heads))
        fetched("prompts", len(lists["prompts"]))
        for name, path in (
            ("traces", "/api/public/traces"),
            ("observations", "/api/public/observations"),
            ("scores", "/api/public/v2/scores"),
            ("scoreConfigs", "/api/public/score-configs"),
        ):
            only = {"type": "GENERATION"} if name == "observations" else {}
            lists[name] = list(_pages(client, path, **only))
            fetched(name, len(lists[name]))
    return lists


def _versions(client: httpx.Client, heads: list[Any]) -> Iterator[Any]:
    for head in heads:
        name = head.get("name") if isinstance(head, Mapping) else None
        versions = head.get("versions") if isinstance(head, Mapping) else None
        if not isinstance(name, str) or not isinstance(versions, list):
            raise _broken("/api/public/v2/prompts", "A prompt has no name or no list of versions.")
        for version in versions:
            path = f"/api/public/v2/prompts/{quote(name, safe='')}"
            yield _get(client, path, version=str(version))


def _pages(client: httpx.Client, path: str, **query: str) -> Iterator[Any]:
    page, seen = 1, 0
    while True:
        found = _get(client, path, page=str(page), limit=str(_PAGE), **query)
        rows = found.get("data") if isinstance(found, Mapping) else None
        meta = found.get("meta") if isinstance(found, Mapping) else None
        pages = meta.get("totalPages") if isinstance(meta, Mapping) else None
        if not isinstance(rows, list) or not isinstance(pages, int):
            raise _broken(path, f"Page {page} has no list `data` or no `meta.totalPages`.")
        yield from rows
        seen += len(rows)
        if seen > MOST_ROWS:
            raise _broken(path, f"It has over {MOST_ROWS:,} rows; keep what you need as a file.")
        if page >= pages or not rows:
            return
        page += 1


def _get(client: httpx.Client, path: str, **query: str) -> Any:
    """One answer; asked again a few times where the server says that it is busy."""
    for attempt in range(_ATTEMPTS):
        try:
            with client.stream("GET", path, params=query) as response:
                raw = b""
                for part in response.iter_bytes():
                    raw += part
                    if len(raw) > MAX_ANSWER_BYTES:
                        raise _broken(path, f"An answer has over {MAX_ANSWER_BYTES:,} bytes.")
                status, wait = response.status_code, response.headers.get("Retry-After", "")
        except httpx.HTTPError as failed:
            raise _broken(
                path, f"The server can't be reached: {type(failed).__name__}."
            ) from failed
        except httpx.InvalidURL as wrong:
            raise _broken(path, f"The address is none: {wrong}.") from wrong
        if status in (429, 502, 503) and attempt < _ATTEMPTS - 1:
            seconds = float(wait) if wait.isascii() and wait.isdigit() else 2.0**attempt
            time.sleep(min(seconds, _LONGEST_WAIT_SECONDS))
            continue
        if status in (401, 403):
            raise _broken(path, f"The server refuses the keys of {PUBLIC_KEY} ({status}).")
        if status != 200:
            raise _broken(path, f"The server answered {status}.")
        try:
            return json.loads(raw.decode(), parse_constant=_no_constant)
        except (ValueError, RecursionError) as failed:
            raise _broken(path, "The answer is no JSON: is this Langfuse's address?") from failed
    raise AssertionError("the last attempt answers or refuses")


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _broken(
    file: str, message: str, *, field: str = "", line: int | None = None
) -> reports.UnreadableSource:
    place = reports.Place(row=0, field=field, value="", message=message, file=file, line=line)
    return reports.unreadable(
        what="Langfuse's account" if file.startswith("/") else file, places=[place]
    )
