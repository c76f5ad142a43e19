"""Every error as an RFC 9457 problem: the one table that maps codes to statuses, and the answer itself."""

import json
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

from django.http import HttpResponse

from mintmark.core import errors

from . import refusals

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "/api/v1/errors/"


@dataclass(frozen=True, slots=True)
class Entry:
    """What a code means: its HTTP status and its title, the same for every occurrence."""

    status: int
    title: str


CATALOGUE: dict[str, Entry] = {
    "invalid_json": Entry(400, "The body is not JSON"),
    "invalid_cursor": Entry(400, "The cursor is not one of this list"),
    "not_authenticated": Entry(401, "A key or a session is needed"),
    "csrf_failed": Entry(403, "The CSRF token is missing or wrong"),
    "forbidden": Entry(403, "The caller may not do this"),
    "gate_closed": Entry(403, "A gate stands between the prompt and the assistant"),
    "licence_forbids": Entry(403, "The licence does not allow this"),
    "not_yours_to_rate": Entry(403, "The caller's rating of this prompt would not count"),
    "over_limit": Entry(403, "The assistant may not spend so much by itself"),
    "not_found": Entry(404, "There is no such thing"),
    "method_not_allowed": Entry(405, "This path does not take this method"),
    "already_decided": Entry(409, "The request was decided before"),
    "already_listed": Entry(409, "The prompt stands on the market already"),
    "already_owned": Entry(409, "The team may use the prompt already"),
    "insufficient_funds": Entry(409, "The wallet holds too little; nothing was moved"),
    "key_reused": Entry(409, "The key was used before, for something else"),
    "no_account": Entry(409, "An account was never opened"),
    "price_changed": Entry(409, "It is not offered at this price now; nothing was charged"),
    "revision_taken": Entry(409, "The revision is registered with another text"),
    "body_too_large": Entry(413, "The body is too large"),
    "unsupported_media_type": Entry(415, "The body must be JSON"),
    "invalid_amount": Entry(422, "This is no amount of tokens that can be moved"),
    "invalid_assistant": Entry(422, "The assistant can't be registered as asked"),
    "invalid_codex": Entry(422, "The codex can't be registered as asked"),
    "invalid_evidence": Entry(422, "The evidence is refused; nothing was recorded"),
    "invalid_fork": Entry(422, "The fork can't be made as asked"),
    "invalid_injection": Entry(422, "The injection can't be made as asked"),
    "invalid_key": Entry(422, "The idempotency key can't be kept"),
    "invalid_label": Entry(422, "The label can't be moved as asked"),
    "invalid_listing": Entry(422, "The prompt can't be offered on these terms"),
    "invalid_mandate": Entry(422, "These limits can't be kept"),
    "invalid_memo": Entry(422, "The memo can't be kept"),
    "invalid_prompt": Entry(422, "The prompt can't be registered as asked"),
    "invalid_prompt_set": Entry(422, "The set can't be made, or bought, as it is"),
    "invalid_rating": Entry(422, "The rating can't be kept"),
    "invalid_reason": Entry(422, "This is kept with its reason, which is missing or can't be kept"),
    "invalid_request": Entry(422, "The request does not have the declared shape"),
    "invalid_ritual": Entry(422, "The ritual can't be registered as asked"),
    "refused": Entry(422, "This is not done"),
    "too_little_evidence": Entry(422, "There is too little evidence for this"),
    "unknown_licence": Entry(422, "The licence is not known here"),
    "unknown_scope": Entry(422, "The scope does not exist"),
    "internal_error": Entry(500, "The server made a mistake"),
    "not_folded": Entry(503, "The scores do not include the event yet"),
    "log_from_another_cluster": Entry(503, "The log can't be appended to here"),
}


class Row(TypedDict):
    """One refused row of a batch; `row` counts from 0."""

    row: int
    field: str
    value: str | int | float | bool | None
    message: str


class Place(TypedDict):
    """One spot of a request that does not have the declared shape, such as `query.limit`."""

    place: str
    value: str | int | float | bool | None
    message: str


class Problem(TypedDict):
    """RFC 9457 problem details. `code` is stable; `detail` is for people and says what to do."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    rows: NotRequired[list[Row]]
    places: NotRequired[list[Place]]


def of(refusal: errors.Refusal) -> dict[str, Any]:
    """The problem details of a refusal; an unlisted code is the house's own mistake, and a test looks for one."""
    entry = CATALOGUE[refusal.code]
    problem: dict[str, Any] = {
        "type": TYPE_PREFIX + refusal.code,
        "title": entry.title,
        "status": entry.status,
        "detail": refusal.message,
        "code": refusal.code,
    }
    if refusal.rows:
        problem["rows"] = list(refusal.rows)
    if isinstance(refusal, refusals.InvalidRequest) and refusal.places:
        problem["places"] = list(refusal.places)
    return problem


def answer(refusal: errors.Refusal) -> HttpResponse:
    """A refusal as an HTTP response."""
    problem = of(refusal)
    # ASCII output, so that no value a caller sent can fail to encode.
    response = HttpResponse(
        json.dumps(problem, ensure_ascii=True), status=problem["status"], content_type=MEDIA_TYPE
    )
    response["Cache-Control"] = "no-store"
    if problem["status"] == 401:
        response["WWW-Authenticate"] = 'Bearer realm="mintmark"'
    return response
