"""Every error as an RFC 9457 problem: the one table that maps codes to statuses, and the answer itself."""

import json
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

from django.http import HttpResponse

from mintmark.common import errors
from mintmark.ratelimit import gcra
from mintmark.signing import (
    bundles,
    canonical_json,
    dsse,
    folder_manifest,
    revocation_list,
    signed_files,
)
from mintmark.storage.transient_errors import DatabaseUnavailable

from . import api_errors

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "/api/v1/errors/"


@dataclass(frozen=True, slots=True)
class ErrorDefinition:
    """What a code means: its HTTP status and its title, the same for every occurrence."""

    status: int
    title: str


CATALOGUE: dict[str, ErrorDefinition] = {
    "invalid_json": ErrorDefinition(400, "The body is not JSON"),
    "invalid_telemetry": ErrorDefinition(400, "The body is not an OTLP export of logs"),
    "invalid_cursor": ErrorDefinition(400, "The cursor is not one of this list"),
    "not_authenticated": ErrorDefinition(401, "A key or a session is needed"),
    "wrong_issuer_key": ErrorDefinition(
        403, "A key that speaks for another installation signed it"
    ),
    "csrf_failed": ErrorDefinition(403, "The CSRF token is missing or wrong"),
    "forbidden": ErrorDefinition(403, "The caller may not do this"),
    "gate_closed": ErrorDefinition(403, "A gate between the prompt and the assistant is closed"),
    "licence_forbids": ErrorDefinition(403, "The licence does not allow this"),
    "not_yours_to_rate": ErrorDefinition(403, "The caller's rating of this prompt would not count"),
    "over_limit": ErrorDefinition(403, "The assistant may not spend so much by itself"),
    "not_found": ErrorDefinition(404, "Not found"),
    "method_not_allowed": ErrorDefinition(405, "This path does not take this method"),
    "already_decided": ErrorDefinition(409, "The request was decided before"),
    "already_listed": ErrorDefinition(409, "The prompt is listed on the market already"),
    "already_owned": ErrorDefinition(409, "The team may use the prompt already"),
    "import_decided": ErrorDefinition(409, "The file was accepted or refused before"),
    "insufficient_funds": ErrorDefinition(
        409, "The wallet holds too few credits; nothing was transferred"
    ),
    "signing_key_known": ErrorDefinition(409, "The key is known here already"),
    "idempotency_key_reused": ErrorDefinition(409, "The key was used before, for something else"),
    "prompt_line_taken": ErrorDefinition(
        409, "Prompt lines of the bundle belong to other teams here"
    ),
    "no_account": ErrorDefinition(409, "An account was never opened"),
    "price_changed": ErrorDefinition(
        409, "It is not offered at this price now; nothing was charged"
    ),
    "revision_taken": ErrorDefinition(409, "The revision is registered with another text"),
    "stale_revocation_list": ErrorDefinition(
        409, "A newer revocation list of this issuer is known"
    ),
    "precondition_failed": ErrorDefinition(412, "The caller's version is not current"),
    "body_too_large": ErrorDefinition(413, "The body is too large"),
    "unsupported_media_type": ErrorDefinition(415, "The body is of a type that is not taken here"),
    "bad_signature": ErrorDefinition(
        422, "A signature does not hold: the file was changed, or another key signed it"
    ),
    "below_threshold": ErrorDefinition(422, "Too few trusted keys signed it"),
    "digest_mismatch": ErrorDefinition(422, "A text is not the one that its digest names"),
    "duplicate_json_key": ErrorDefinition(422, "An object has the same key twice"),
    "duplicate_name": ErrorDefinition(422, "Two prompts of the bundle have the same name"),
    "duplicate_signature": ErrorDefinition(422, "One key signed it twice"),
    "extra_file": ErrorDefinition(422, "The folder holds a file that was not signed"),
    "integer_too_large": ErrorDefinition(422, "An integer is beyond what JSON keeps exactly"),
    "invalid_amount": ErrorDefinition(422, "This amount of credits can't be transferred"),
    "invalid_assistant": ErrorDefinition(422, "The assistant can't be registered as asked"),
    "invalid_base64": ErrorDefinition(422, "A part of the envelope is not base64"),
    "invalid_codex": ErrorDefinition(422, "The codex can't be registered as asked"),
    "invalid_comparison": ErrorDefinition(422, "The comparison can't be made or read as asked"),
    "invalid_document": ErrorDefinition(422, "The document is not valid YAML or JSON"),
    "invalid_evidence": ErrorDefinition(422, "The evidence is refused; nothing was recorded"),
    "invalid_export": ErrorDefinition(422, "A bundle can't be made of this"),
    "invalid_fork": ErrorDefinition(422, "The fork can't be made as asked"),
    "invalid_injection": ErrorDefinition(422, "The injection can't be made as asked"),
    "invalid_idempotency_key": ErrorDefinition(422, "The idempotency key is invalid"),
    "invalid_key_id": ErrorDefinition(422, "The id of a signing key is not a key"),
    "invalid_key_terms": ErrorDefinition(422, "A key's name, note or expiry can't be kept"),
    "invalid_label": ErrorDefinition(422, "The label can't be changed as asked"),
    "invalid_listing": ErrorDefinition(422, "The prompt can't be offered on these terms"),
    "invalid_mandate": ErrorDefinition(422, "These limits are invalid"),
    "invalid_mapping": ErrorDefinition(422, "The mapping is invalid"),
    "invalid_memory": ErrorDefinition(422, "The memory is invalid"),
    "invalid_memo": ErrorDefinition(422, "The memo is invalid"),
    "invalid_prompt": ErrorDefinition(422, "The prompt can't be registered as asked"),
    "invalid_prompt_set": ErrorDefinition(422, "The set can't be made, or bought, as it is"),
    "invalid_rating": ErrorDefinition(422, "The rating is invalid"),
    "invalid_reason": ErrorDefinition(422, "The reason is missing or invalid"),
    "invalid_request": ErrorDefinition(422, "The request does not have the declared shape"),
    "invalid_ritual": ErrorDefinition(422, "The ritual can't be registered as asked"),
    "invalid_run": ErrorDefinition(422, "The run can't be started or resumed as asked"),
    "invalid_score_mapping": ErrorDefinition(422, "What a score's name means is not said rightly"),
    "invalid_vouch": ErrorDefinition(422, "The reporter can't be vouched for, or is not"),
    "owned_name": ErrorDefinition(403, "The name belongs to another team"),
    "copied_prompt": ErrorDefinition(422, "Another team's listed prompt was copied"),
    "invalid_copy_decision": ErrorDefinition(422, "The near-copy can't be allowed so"),
    "invalid_audit_policy": ErrorDefinition(422, "What audits may cost can't be set so"),
    "invalid_audit_request": ErrorDefinition(422, "The claim can't be run again"),
    "no_own_view": ErrorDefinition(422, "The caller has no view of their own here"),
    "invalid_runner": ErrorDefinition(422, "The runner configuration is invalid or missing"),
    "invalid_runs": ErrorDefinition(422, "Imported reputation can't count as so many runs"),
    "invalid_transcript": ErrorDefinition(422, "The transcript is not a list of replies"),
    "invalid_utf8": ErrorDefinition(422, "It is not UTF-8"),
    "signing_key_expired": ErrorDefinition(422, "A key that signed it has expired"),
    "key_not_ascii": ErrorDefinition(422, "A key of an object is not ASCII"),
    "signing_key_revoked": ErrorDefinition(422, "A revoked key signed it"),
    "lineage_cycle": ErrorDefinition(422, "A prompt of the bundle descends from itself"),
    "missing_file": ErrorDefinition(422, "The folder lacks a file that was signed"),
    "not_a_bundle": ErrorDefinition(422, "The signed payload is not a bundle"),
    "not_a_folder": ErrorDefinition(422, "The signed payload is not a folder"),
    "not_a_signing_key": ErrorDefinition(422, "It is not an Ed25519 key"),
    "not_a_revocation_list": ErrorDefinition(422, "The signed payload is not a revocation list"),
    "not_an_envelope": ErrorDefinition(422, "It is not a DSSE envelope"),
    "not_an_integer": ErrorDefinition(422, "A number is not an integer"),
    "not_canonical": ErrorDefinition(422, "The bytes are not in canonical form"),
    "nul_character": ErrorDefinition(422, "A text holds U+0000"),
    "path_in_name": ErrorDefinition(422, "A name contains a path"),
    "payload_type": ErrorDefinition(422, "The envelope holds something of another kind"),
    "not_allowed": ErrorDefinition(422, "This is not allowed"),
    "too_deep": ErrorDefinition(422, "It is nested too deeply"),
    "too_large": ErrorDefinition(422, "It is larger than the limit"),
    "too_little_evidence": ErrorDefinition(422, "There is too little evidence for this"),
    "too_many_prompts": ErrorDefinition(422, "It has more prompts than the limit"),
    "too_many_royalties": ErrorDefinition(
        422, "A sale of a prompt would owe more royalties than the limit"
    ),
    "too_many_values": ErrorDefinition(422, "It has more values than the limit"),
    "unknown_licence": ErrorDefinition(422, "The licence is not known here"),
    "unknown_parent": ErrorDefinition(
        422, "A prompt of the bundle descends from one that it does not contain"
    ),
    "unknown_scope": ErrorDefinition(422, "The scope does not exist"),
    "unknown_signer": ErrorDefinition(422, "No trusted key signed it"),
    "unknown_version": ErrorDefinition(422, "Its version is not supported"),
    "invalid_webhook": ErrorDefinition(422, "The webhook can't be made or used as asked"),
    "prompt_withdrawn": ErrorDefinition(422, "Its issuer withdrew a prompt of the bundle"),
    "too_many_requests": ErrorDefinition(429, "The caller sends more requests than allowed"),
    "internal_error": ErrorDefinition(500, "The server made a mistake"),
    "vault_altered": ErrorDefinition(500, "The stored bundle is not what was signed"),
    "missing_extra": ErrorDefinition(501, "This installation lacks the packages for it"),
    "database_unavailable": ErrorDefinition(503, "The database can't answer now"),
    "projection_pending": ErrorDefinition(503, "The scores do not include the event yet"),
    "log_from_another_cluster": ErrorDefinition(503, "The log can't be appended to here"),
    "unreadable_secret": ErrorDefinition(503, "The secret of a webhook can't be decrypted"),
    "unreadable_key": ErrorDefinition(503, "A private key of this installation can't be decrypted"),
}

# What is wrong with a signed file: of no concern to endpoints that neither take nor make one.
SIGNED_FILE_CODES = frozenset(
    (
        *canonical_json.InvalidCanonicalJson.codes, *dsse.InvalidEnvelope.codes, *signed_files.InvalidSignedFile.codes,
        *bundles.InvalidBundle.codes, *folder_manifest.InvalidFolder.codes,
        *revocation_list.InvalidRevocationList.codes, "wrong_issuer_key", "below_threshold", "import_decided",
        "invalid_export", "invalid_key_terms", "invalid_runs", "not_a_signing_key", "prompt_line_taken",
        "prompt_withdrawn", "signing_key_expired", "signing_key_known", "signing_key_revoked", "stale_revocation_list",
        "too_many_royalties", "unknown_signer", "unreadable_key", "vault_altered",
    )
) - {"invalid_json"}  # fmt: skip


class RowErrorOut(TypedDict):
    """One refused row of a batch; `row` counts from 0."""

    row: int
    field: str
    value: str | int | float | bool | None
    message: str


class InvalidInputOut(TypedDict):
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
    rows: NotRequired[list[RowErrorOut]]
    places: NotRequired[list[InvalidInputOut]]
    bundle_import: NotRequired[int]


def build_problem(error: errors.DomainError) -> dict[str, Any]:
    """The problem details of a refusal; every code must be in `CATALOGUE`, which a test checks."""
    entry = CATALOGUE[error.code]
    problem: dict[str, Any] = {
        "type": TYPE_PREFIX + error.code,
        "title": entry.title,
        "status": entry.status,
        "detail": error.message,
        "code": error.code,
    }
    if error.rows:
        problem["rows"] = list(error.rows)
    if isinstance(error, api_errors.InvalidRequest) and error.invalid_inputs:
        problem["places"] = list(error.invalid_inputs)
    if isinstance(error, api_errors.FileRefused):
        problem["bundle_import"] = error.bundle_import
    return problem


def build_problem_response(error: errors.DomainError) -> HttpResponse:
    """A refusal as an HTTP response."""
    problem = build_problem(error)
    # ASCII output, so that no value a caller sent can fail to encode.
    response = HttpResponse(
        json.dumps(problem, ensure_ascii=True), status=problem["status"], content_type=MEDIA_TYPE
    )
    response["Cache-Control"] = "no-store"
    if problem["status"] == 401:
        response["WWW-Authenticate"] = 'Bearer realm="mintmark"'
    if isinstance(error, gcra.TooManyRequests | DatabaseUnavailable):
        response["Retry-After"] = str(error.retry_seconds)
    return response
