"""How requests are made up: schemathesis reads the schema, and much of what is asked for exists.

A case is one of four kinds, so that endpoints are seen to do and to refuse: what the schema allows; what it forbids; a
request that is known to be good, with parts as the schema allows; the same, with parts that break programs.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import schemathesis
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode

from mintmark.api import idempotency, openapi
from tests.factories.api_world import World

from .test_authorisation import ENDPOINTS, TABLE

# Known to schemathesis are the commonest types alone.
schemathesis.serializer.alias("application/x-protobuf", "application/octet-stream")

OPERATIONS: dict[str, APIOperation[Any, Any, Any, Any]] = {
    found.ok().definition.raw["operationId"]: found.ok()
    for found in schemathesis.openapi.from_dict(
        json.loads(openapi.render_schema())
    ).get_all_operations()
}

# Numbers about the bounds of 32 and 64 bits and of floats; dates that their offset moves out of the calendar; numerals
# that are not ASCII; texts that are long, hold U+0000 or half a pair; other types; names of what exists.
ODD_TEXTS = (
    "", "\0", "a\0b", "\u202e", "e" + "\u0301" * 40, "１２", "x" * 300, "x" * 5_000, "NaN", "Infinity", "1e400",
    "9" * 40, "-0", "0.0000001", "1_000", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-14:00",
    "2026-02-30T00:00:00Z", "2026-01-01", "sha256:" + "0" * 64, "mint/summary", "mint/summary@1", "scout", "summaries",
    "person:author",
)  # fmt: skip
ODD_NUMBERS = (
    0, -1, 1, 2, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 10**30, 1.5, 1e308, 5e-324, -0.0,
)  # fmt: skip
ODD_VALUES = (
    *ODD_TEXTS, *ODD_NUMBERS, None, True, [], {}, [[]], ["x"] * 300, {"a": {"b": [1]}}, "\ud800",
)  # fmt: skip
ODD_HEADERS = {
    "If-None-Match": ("*", 'W/"x"', '"', '"a", "b', ",,,", "x" * 9_000, "é"),
    "If-Modified-Since": ("never", "Mon, 99 Foo 0000 99:99:99 GMT"),
    "Range": ("bytes=0-0", "bytes=9-1"),
    "If-Match": ("*", '"x"'),
    "Accept": ("text/html", "/"),
    "Content-Type": (
        "application/json; charset=hex",
        "application/json; charset=utf-16",
        "text/plain",
        "é",
    ),
    "Host": ("a b",),
    "Accept-Language": ("xx", "de;q=x"),
    "Content-Encoding": ("gzip",),
    "traceparent": ("00-0-0-1", f"00-{'0' * 32}-{'0' * 16}-01"),
    "X-Request-Id": ("x" * 5_000, "é"),
    idempotency.HEADER: ("", "k", "k" * 201, "a b", "é", "\x7f"),
}


@dataclass(frozen=True, kw_only=True)
class Good:
    """A request that the table of authorisations says is answered with what it asks for, to some of the cast."""

    path: dict[str, Any]
    query: dict[str, str]
    body: Any

    def case(self, name: str) -> Case:
        """As schemathesis sends it."""
        kind = None if self.body is None else "application/json"
        if isinstance(self.body, bytes):
            kind = "application/octet-stream"
        made: Case = OPERATIONS[name].Case(
            path_parameters=self.path,
            query=self.query,
            headers={idempotency.HEADER: "good"} if ENDPOINTS[name].requires_key else {},
            **({} if kind is None else {"body": self.body, "media_type": kind}),
        )
        return made


def good(*, name: str, world: World) -> list[Good]:
    """The requests to an endpoint that are in the table; what they ask for is made in `world`."""
    pattern = re.sub(r"\{(?:\w+:)?(\w+)\}", r"(?P<\1>[^/]+)", ENDPOINTS[name].path)
    made = []
    for row in TABLE:
        if row.name == name:
            path, _, query = row.path(world).partition("?")
            found = re.fullmatch(pattern, path)
            assert found, (path, pattern)
            names = {
                key: int(text) if text.isdigit() else text
                for key, text in found.groupdict().items()
            }
            made.append(Good(path=names, query=dict(parse_qsl(query)), body=row.body(world)))
    return made


@st.composite
def cases(draw: Callable[[Any], Any], *, name: str, known: Iterable[Good]) -> Case:
    """A request to the endpoint of this name, where these are known to be good."""
    operation = OPERATIONS[name]
    kind = draw(st.sampled_from(["near", "odd", "allowed", "forbidden"]))
    if kind == "forbidden":
        return draw(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    drawn: Case = draw(operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    like = draw(st.sampled_from(list(known)))
    # A case of its own: what is said of the drawn one would be checked anew with each change.
    case: Case = operation.Case(
        path_parameters=drawn.path_parameters | (like.path if draw(st.integers(0, 9)) else {}),
        query=dict(drawn.query),
        headers=dict(drawn.headers),
        body=drawn.body,
        media_type=drawn.media_type,
    )
    if kind == "allowed":
        return case
    case.query = {key: case.query[key] for key in case.query if draw(st.booleans())} | like.query
    if isinstance(like.body, bytes):
        case.body = draw(_changed(like.body))
        case.media_type = "application/octet-stream"
    elif isinstance(like.body, dict) and isinstance(case.body, dict):
        case.body = draw(_crossed(like.body, case.body))
    if kind == "odd":
        draw(_made_odd(case, [parameter.name for parameter in operation.query]))
    return case


@st.composite
def _crossed(
    draw: Callable[[Any], Any], known: dict[str, Any], drawn: dict[str, Any]
) -> dict[str, Any]:
    """A known body with a few members as they were drawn, or left out."""
    body = dict(known)
    members = sorted({*known, *drawn})
    for member in draw(st.sets(st.sampled_from(members), max_size=2)) if members else ():
        body.pop(member, None)
        body |= {member: drawn[member]} if member in drawn else {}
    return body


@st.composite
def _changed(draw: Callable[[Any], Any], known: bytes) -> bytes:
    """A known file, in which a few bytes may be others."""
    raw = bytearray(known)
    for _ in range(draw(st.integers(0, 2))):
        raw[draw(st.integers(0, len(raw) - 1))] = draw(st.integers(0, 255))
    return bytes(raw)


@st.composite
def _made_odd(draw: Callable[[Any], Any], case: Case, parameters: list[str]) -> None:
    """Put values that break programs in some places of a request."""
    if parameters and draw(st.booleans()):
        for parameter in draw(st.sets(st.sampled_from(parameters), min_size=1, max_size=2)):
            case.query = case.query | {parameter: draw(st.sampled_from(ODD_TEXTS + ODD_NUMBERS))}
    if isinstance(case.body, dict) and case.body:
        body = json.loads(json.dumps(case.body))
        for member in draw(st.sets(st.sampled_from(sorted(body)), min_size=1, max_size=2)):
            inner = body[member]
            if isinstance(inner, dict) and inner and draw(st.booleans()):
                inner[draw(st.sampled_from(sorted(inner)))] = draw(st.sampled_from(ODD_VALUES))
            elif isinstance(inner, list) and inner and draw(st.booleans()):
                inner[draw(st.integers(0, len(inner) - 1))] = draw(st.sampled_from(ODD_VALUES))
            else:
                body[member] = draw(st.sampled_from(ODD_VALUES))
        case.body = body
    if not draw(st.integers(0, 3)):
        header = draw(st.sampled_from(sorted(ODD_HEADERS)))
        case.headers = {**case.headers, header: draw(st.sampled_from(ODD_HEADERS[header]))}
