"""Every error as an RFC 9457 problem: the one table that maps codes to statuses, and the answer itself."""

import json
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

from django.http import HttpResponse

from mintmark.core import (
    buckets,
    bundles,
    canonical_json,
    dsse,
    envelopes,
    errors,
    folders,
    revocations,
)
from mintmark.database.unavailable import Unavailable

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
    "invalid_telemetry": Entry(400, "The body is no export of logs that is taken"),
    "invalid_cursor": Entry(400, "The cursor is not one of this list"),
    "not_authenticated": Entry(401, "A key or a session is needed"),
    "anothers_key": Entry(403, "A key that speaks for another installation signed it"),
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
    "import_decided": Entry(409, "The file was taken in or refused before"),
    "insufficient_funds": Entry(409, "The wallet holds too little; nothing was moved"),
    "key_known": Entry(409, "The key is known here already"),
    "key_reused": Entry(409, "The key was used before, for something else"),
    "line_taken": Entry(409, "Lines of the bundle belong to other teams here"),
    "no_account": Entry(409, "An account was never opened"),
    "price_changed": Entry(409, "It is not offered at this price now; nothing was charged"),
    "revision_taken": Entry(409, "The revision is registered with another text"),
    "stale_list": Entry(409, "A newer revocation list of this issuer is known"),
    "precondition_failed": Entry(412, "What the caller holds is not current"),
    "body_too_large": Entry(413, "The body is too large"),
    "unsupported_media_type": Entry(415, "The body is of a type that is not taken here"),
    "bad_signature": Entry(
        422, "A signature does not hold: the file was changed, or another key signed it"
    ),
    "below_threshold": Entry(422, "Too few trusted keys signed it"),
    "digest_mismatch": Entry(422, "A text is not the one that its digest names"),
    "duplicate_key": Entry(422, "A key stands twice in one object"),
    "duplicate_name": Entry(422, "A name stands twice in the bundle"),
    "duplicate_signature": Entry(422, "One key signed it twice"),
    "extra_file": Entry(422, "The folder holds a file that was not signed"),
    "integer_too_large": Entry(422, "An integer is beyond what JSON keeps exactly"),
    "invalid_amount": Entry(422, "This is no amount of tokens that can be moved"),
    "invalid_assistant": Entry(422, "The assistant can't be registered as asked"),
    "invalid_base64": Entry(422, "A part of the envelope is no base64"),
    "invalid_codex": Entry(422, "The codex can't be registered as asked"),
    "invalid_comparison": Entry(422, "The comparison can't be made or read as asked"),
    "invalid_document": Entry(422, "It is no YAML or JSON that is read here"),
    "invalid_evidence": Entry(422, "The evidence is refused; nothing was recorded"),
    "invalid_export": Entry(422, "A bundle can't be made of this"),
    "invalid_fork": Entry(422, "The fork can't be made as asked"),
    "invalid_injection": Entry(422, "The injection can't be made as asked"),
    "invalid_key": Entry(422, "The idempotency key can't be kept"),
    "invalid_key_id": Entry(422, "The id of a signing key is no key"),
    "invalid_key_terms": Entry(422, "A key's name, note or expiry can't be kept"),
    "invalid_label": Entry(422, "The label can't be moved as asked"),
    "invalid_listing": Entry(422, "The prompt can't be offered on these terms"),
    "invalid_mandate": Entry(422, "These limits can't be kept"),
    "invalid_mapping": Entry(422, "The mapping can't be put in force as asked"),
    "invalid_memory": Entry(422, "The memory can't be kept"),
    "invalid_memo": Entry(422, "The memo can't be kept"),
    "invalid_prompt": Entry(422, "The prompt can't be registered as asked"),
    "invalid_prompt_set": Entry(422, "The set can't be made, or bought, as it is"),
    "invalid_rating": Entry(422, "The rating can't be kept"),
    "invalid_reason": Entry(422, "This is kept with its reason, which is missing or can't be kept"),
    "invalid_request": Entry(422, "The request does not have the declared shape"),
    "invalid_ritual": Entry(422, "The ritual can't be registered as asked"),
    "invalid_run": Entry(422, "The run can't be started or resumed as asked"),
    "invalid_runner": Entry(422, "How the assistant is reached does not fit, or is not said"),
    "invalid_runs": Entry(422, "Foreign reputation can't count as so many runs"),
    "invalid_transcript": Entry(422, "It is no list of replies"),
    "invalid_utf8": Entry(422, "It is not UTF-8"),
    "key_expired": Entry(422, "A key that signed it has expired"),
    "key_not_ascii": Entry(422, "A key of an object is not ASCII"),
    "key_revoked": Entry(422, "A revoked key signed it"),
    "lineage_cycle": Entry(422, "A prompt of the bundle descends from itself"),
    "missing_file": Entry(422, "The folder lacks a file that was signed"),
    "not_a_bundle": Entry(422, "What was signed is no bundle"),
    "not_a_folder": Entry(422, "What was signed is no folder"),
    "not_a_key": Entry(422, "It is no Ed25519 key"),
    "not_a_revocation_list": Entry(422, "What was signed is no revocation list"),
    "not_an_envelope": Entry(422, "It is no DSSE envelope"),
    "not_an_integer": Entry(422, "A number is no integer"),
    "not_canonical": Entry(422, "It is not spelled as it was signed"),
    "nul_character": Entry(422, "A text holds U+0000"),
    "path_in_name": Entry(422, "A name leads out of its place"),
    "payload_type": Entry(422, "The envelope holds something of another kind"),
    "refused": Entry(422, "This is not done"),
    "too_deep": Entry(422, "It is nested too deeply"),
    "too_large": Entry(422, "It is larger than is taken"),
    "too_little_evidence": Entry(422, "There is too little evidence for this"),
    "too_many_prompts": Entry(422, "It has more prompts than are taken"),
    "too_many_royalties": Entry(422, "A sale of a prompt would owe more royalties than are taken"),
    "too_many_values": Entry(422, "It has more values than are taken"),
    "unknown_licence": Entry(422, "The licence is not known here"),
    "unknown_parent": Entry(422, "A prompt of the bundle descends from one that is not told"),
    "unknown_scope": Entry(422, "The scope does not exist"),
    "unknown_signer": Entry(422, "Nobody who is trusted here signed it"),
    "unknown_version": Entry(422, "It is of a version that is not read here"),
    "invalid_webhook": Entry(422, "The webhook can't be made or used as asked"),
    "withdrawn": Entry(422, "Its issuer withdrew a prompt of the bundle"),
    "too_many_requests": Entry(429, "The caller asks more often than it may"),
    "internal_error": Entry(500, "The server made a mistake"),
    "vault_altered": Entry(500, "What is kept of a bundle is not what was signed"),
    "missing_extra": Entry(501, "This installation lacks the packages that it takes"),
    "database_unavailable": Entry(503, "The database can't answer now"),
    "not_folded": Entry(503, "The scores do not include the event yet"),
    "log_from_another_cluster": Entry(503, "The log can't be appended to here"),
    "unreadable_secret": Entry(503, "The secret of a webhook can't be opened"),
    "unreadable_key": Entry(503, "A private key of this installation can't be opened"),
}

# What is wrong with a signed file: of no concern to endpoints that neither take nor make one.
OF_FILES = frozenset(
    (
        *canonical_json.BadJson.codes, *dsse.BadEnvelope.codes, *envelopes.BadFile.codes, *bundles.BadBundle.codes,
        *folders.BadFolder.codes, *revocations.BadRevocations.codes, "anothers_key", "below_threshold",
        "import_decided", "invalid_export", "invalid_key_terms", "invalid_runs", "key_expired", "key_known",
        "key_revoked", "line_taken", "not_a_key", "stale_list", "too_many_royalties", "unknown_signer",
        "unreadable_key", "vault_altered", "withdrawn",
    )
) - {"invalid_json"}  # fmt: skip


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
    """RFC 9457 problem details. `code` is stable; `detail` is for people and says what to do. `bundle_import` is the
    import that keeps the refusal of a file."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    rows: NotRequired[list[Row]]
    places: NotRequired[list[Place]]
    bundle_import: NotRequired[int]


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
    if isinstance(refusal, refusals.FileRefused):
        problem["bundle_import"] = refusal.bundle_import
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
    if isinstance(refusal, buckets.TooManyRequests | Unavailable):
        response["Retry-After"] = str(refusal.retry_seconds)
    return response
