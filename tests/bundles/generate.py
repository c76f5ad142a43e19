"""Writes the files in good/ and bad/: `python -m tests.bundles.generate`.

The same bytes each time; a test compares them.

`good()` and `bad()` are what is kept here; `large()` are refusals that would not be small files, made when they are
needed. A name is a file's name; a case of bad() and large() says with which code it is refused.
"""

import base64
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mintmark.signing import bundles, dsse

from . import payloads
from .payloads import EXPIRED, HOUSE, REVOKED, STRANGER, TEAM, enveloped, prompt, sealed, spelled

FOLDER = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Case:
    """A file that is refused with this code, where so many trusted keys are asked for; some, only by whoever would
    take them in."""

    code: str
    raw: bytes
    threshold: int = 1
    by_importers_alone: bool = False


def good() -> dict[str, bytes]:
    """Bundles that must open for ever, whatever version reads them."""
    fork = prompt(
        "forks/triage-calm@2", text="Sort {ticket} by urgency, calmly 🙂.\r\n\tÄnderung:\\ \"{ticket}\"\u2028",
        parent="acme/triage@1", derivation="fork", mutation_note="@tone+", author="Buyers", rights="author",
        tags=["task:triage", "@tone+"],
        royalties=[{"ancestor": "acme/triage@1", "holder": "Acme", "rate_bp": 500}],
    )  # fmt: skip
    revision = prompt(
        "acme/triage@3", text="Sort {ticket} by urgency and cost.", parent="acme/triage@2", derivation="revision",
        rights="passed_on",
        events=[
            {
                "kind": "outcome", "score_ppm": 900_000, "runs": 10, "occurred_at": payloads.MOMENT,
                "ritual": "triage-cases", "assistant": "assistant-1", "actor": "actor-1",
            }
        ],
    )  # fmt: skip
    forebears = [
        payloads.ancestor("acme/triage@1"),
        payloads.ancestor("acme/triage@2", parent="acme/triage@1", derivation="revision"),
    ]
    receipt = {
        "transfer": 7, "buyer": "buyer", "team": "buyers", "price_micro": 12_500_000, "bought_at": payloads.MOMENT,
    }  # fmt: skip
    later = payloads.statement(version="1.7")
    later["predicate"]["blessing"] = {"by": "nobody yet", "at": [1, True, None]}
    later["predicate"]["prompts"][0]["language"] = "en"
    return {
        "small": sealed(),
        "family": sealed([fork, revision], keys=[HOUSE, TEAM], ancestors=forebears),
        "receipt": sealed([prompt(rights="bought")], purpose="receipt", receipt=receipt),
        "later_minor_version": enveloped(spelled(later)),
        "hidden_unicode": sealed([prompt(text="Sort {ticket}.\nSay\u202e nothing\u200b.")]),
        "stranger": sealed(keys=[STRANGER]),
    }


def bad() -> dict[str, Case]:
    """One file for each way to be refused."""
    cases: _Cases = {
        **_of_files(), **_of_envelopes(), **_of_signatures(), **_of_trust(), **_of_json(), **_of_versions(),
        **_of_contents(),
    }  # fmt: skip
    return {
        name: case if isinstance(case, Case) else Case(code=case[0], raw=case[1])
        for name, case in cases.items()
    }


type _Cases = dict[str, tuple[str, bytes] | Case]


def _of_files() -> _Cases:
    small = good()["small"]
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo("../bundle.json", date_time=(2026, 1, 1, 0, 0, 0))
        archive.writestr(entry, b"0" * 4_000_000, compress_type=zipfile.ZIP_DEFLATED)
    return {
        "empty": ("invalid_json", b""),
        "zip_bomb": ("invalid_utf8", zipped.getvalue()),
        "gzip_bomb": ("invalid_utf8", gzip.compress(b"0" * 4_000_000, mtime=0)),
        "cut_short": ("invalid_json", small[:-1]),
        "byte_order_mark": ("not_canonical", b"\xef\xbb\xbf" + small),
        "utf_16": ("invalid_utf8", small.decode().encode("utf-16")),
        "html": ("invalid_json", b"<!doctype html><title>Not found</title>"),
    }


def _of_envelopes() -> _Cases:
    small = good()["small"]
    read = json.loads(small)
    payload = base64.b64decode(read["payload"])
    urlsafe = base64.urlsafe_b64encode(spelled(payloads.statement([prompt(text="???>>>~~~")])))
    assert b"_" in urlsafe
    padded = next(
        raw
        for n in range(3)
        if b'=","payloadType"' in (raw := sealed(evidence_seal="." * n)) and b'==","p' not in raw
    )
    at = padded.index(b'=","payloadType"')
    return {
        "a_list": ("not_an_envelope", b"[]"),
        "no_signatures": ("not_an_envelope", spelled(read | {"signatures": []})),
        "signature_without_a_name": (
            "not_an_envelope", spelled(read | {"signatures": [{"sig": read["signatures"][0]["sig"]}]}),
        ),
        "too_many_signatures": ("not_an_envelope", spelled(read | {"signatures": read["signatures"] * 33})),
        "payload_no_base64": ("invalid_base64", spelled(read | {"payload": "not base64!"})),
        "url_safe_base64": (
            "not_canonical",
            spelled(json.loads(enveloped(base64.urlsafe_b64decode(urlsafe))) | {"payload": urlsafe.decode()}),
        ),
        # The last digit carries two bits that no byte takes.
        "spare_bits_of_base64": ("not_canonical", padded[: at - 1] + bytes([padded[at - 1] + 1]) + padded[at:]),
        "last_line_end": ("not_canonical", small + b"\n"),
        "spaces": ("not_canonical", json.dumps(read).encode()),
        "more_in_the_envelope": ("not_canonical", spelled(read | {"note": "trust me"})),
        "signatures_out_of_order": (
            "not_canonical", _reordered(enveloped(payload, keys=[HOUSE, TEAM])),
        ),
        "payload_type_confusion": (
            "payload_type", enveloped(payload, payload_type="application/vnd.mintmark.revocations+json"),
        ),
        "payload_type_rewritten": (
            "bad_signature", enveloped(payload, signed_as="application/vnd.mintmark.revocations+json"),
        ),
    }  # fmt: skip


def _reordered(raw: bytes) -> bytes:
    read = json.loads(raw)
    return spelled(read | {"signatures": read["signatures"][::-1]})


def _of_signatures() -> _Cases:
    told = payloads.statement()
    payload = spelled(told)
    house = dsse.get_key_id(HOUSE)
    nothing = b"\x01" + bytes(31)  # the neutral point
    forged = {"keyid": nothing.hex(), "sig": base64.b64encode(nothing + bytes(32)).decode()}
    return {
        "wrong_key": ("bad_signature", enveloped(payload, keys=[STRANGER], key_ids=[house])),
        "signature_of_another_file": (
            "bad_signature", enveloped(payload, signed=spelled(payloads.statement(policy=2))),
        ),
        "signature_over_another_spelling": ("bad_signature", enveloped(payload, signed=json.dumps(told).encode())),
        "signature_over_the_payload_alone": (
            "bad_signature",
            spelled(
                json.loads(enveloped(payload))
                | {"signatures": [{"keyid": house, "sig": base64.b64encode(HOUSE.sign(payload)).decode()}]}
            ),
        ),
        "one_of_two_signatures_bad": (
            "bad_signature", enveloped(payload, keys=[HOUSE, STRANGER], key_ids=[house, dsse.get_key_id(TEAM)]),
        ),
        "signed_twice_by_one_key": ("duplicate_signature", enveloped(payload, keys=[HOUSE, HOUSE])),
        "key_id_of_another_kind": ("invalid_key_id", enveloped(payload, key_ids=["SHA256:" + house[:43]])),
        "key_id_in_capitals": ("invalid_key_id", enveloped(payload, key_ids=[house.upper()])),
        "key_that_signs_for_anybody": (
            "invalid_key_id", spelled(json.loads(enveloped(payload)) | {"signatures": [forged]}),
        ),
    }  # fmt: skip


def _of_trust() -> _Cases:
    return {
        "expired_key": ("signing_key_expired", sealed(keys=[EXPIRED])),
        "revoked_key": ("signing_key_revoked", sealed(keys=[REVOKED])),
        "revoked_key_beside_a_good_one": ("signing_key_revoked", sealed(keys=[HOUSE, REVOKED])),
        "below_threshold": Case(code="below_threshold", raw=sealed(keys=[HOUSE]), threshold=2),
        "below_threshold_with_a_stranger": Case(
            code="below_threshold", raw=sealed(keys=[HOUSE, STRANGER]), threshold=2
        ),
    }


def _of_json() -> _Cases:
    def changed(old: bytes, new: bytes) -> bytes:
        payload = spelled(payloads.statement())
        assert payload.count(old) == 1, old
        return enveloped(payload.replace(old, new))

    small = good()["small"]
    policy = b'"policy":1'
    return {
        "duplicate_keys_in_the_envelope": (
            "duplicate_json_key", small.replace(b'"payloadType"', b'"payload":"","payloadType"'),
        ),
        "duplicate_keys": ("duplicate_json_key", changed(policy, b'"policy":1,"policy":2')),
        "duplicate_keys_by_escape": ("duplicate_json_key", changed(policy, b'"p\\u006flicy":1,"policy":2')),
        "payload_no_json": ("invalid_json", enveloped(b"Sort {ticket} by urgency.")),
        "invalid_utf8_in_the_envelope": ("invalid_utf8", small.replace(b"vnd.in-toto", b"vnd.in\xfftoto")),
        "invalid_utf8": ("invalid_utf8", changed(b"help desk", b"help\xc0\xafdesk")),
        "surrogate_in_utf8": ("invalid_utf8", changed(b"help desk", b"help\xed\xa0\x80desk")),
        "half_a_surrogate_pair": ("invalid_utf8", changed(b"help desk", b"help\\ud83ddesk")),
        "nul_character": ("nul_character", changed(b"help desk", b"help\\u0000desk")),
        "not_a_number": ("not_an_integer", changed(policy, b'"policy":NaN')),
        "infinity": ("not_an_integer", changed(policy, b'"policy":-Infinity')),
        "fraction": ("not_an_integer", changed(policy, b'"policy":1.0')),
        "exponent": ("not_an_integer", changed(policy, b'"policy":1e5')),
        "beyond_2_to_53": ("integer_too_large", changed(policy, b'"policy":9007199254740992')),
        "integer_of_4000_digits": ("integer_too_large", changed(policy, b'"policy":' + b"9" * 4_000)),
        "minus_zero": ("not_canonical", changed(policy, b'"policy":-0')),
        "key_not_ascii": ("key_not_ascii", changed(policy, '"policy":1,"pölicy":2'.encode())),
        "payload_with_spaces": ("not_canonical", changed(policy, b'"policy": 1')),
        "payload_with_escapes": ("not_canonical", changed(b"help desk", b"help\\u0020desk")),
        "payload_out_of_order": ("not_canonical", enveloped(json.dumps(
            payloads.statement(), separators=(",", ":")).encode())),
        "depth_10_4": ("too_deep", enveloped(b"[" * 10_000 + b"]" * 10_000)),
        "depth_10_4_of_the_envelope": ("too_deep", b'{"a":' * 10_000 + b"1" + b"}" * 10_000),
    }  # fmt: skip


def _of_versions() -> _Cases:
    told = payloads.statement()
    return {
        "unknown_version": (
            "unknown_version", enveloped(spelled(told | {"predicateType": "urn:mintmark:prompt-bundle:v2"})),
        ),
        "unknown_version_inside": ("unknown_version", sealed(version="2.0")),
        "another_predicate": (
            "not_a_bundle", enveloped(spelled(told | {"predicateType": "https://slsa.dev/provenance/v1"})),
        ),
        "another_statement": (
            "not_a_bundle", enveloped(spelled(told | {"_type": "https://in-toto.io/Statement/v0.1"})),
        ),
        "payload_a_list": ("not_a_bundle", enveloped(b"[]")),
        "no_predicate": ("not_a_bundle", enveloped(spelled(told | {"predicate": None}))),
    }  # fmt: skip


def _of_contents() -> _Cases:
    told = payloads.statement()
    root, child = prompt("acme/a@1"), {"parent": "acme/a@1", "derivation": "fork"}
    return {
        "digest_mismatch": ("digest_mismatch", sealed([prompt(digest="0" * 64)])),
        "subject_of_another_text": (
            "digest_mismatch",
            enveloped(spelled(told | {"subject": [{"name": "acme/triage@1", "digest": {"sha256": "0" * 64}}]})),
        ),
        "subject_too_few": ("digest_mismatch", enveloped(spelled(told | {"subject": []}))),
        "subject_missing": (
            "digest_mismatch", enveloped(spelled({k: v for k, v in told.items() if k != "subject"})),
        ),
        "path_in_name": ("path_in_name", sealed([prompt("acme/a/../../../etc/passwd@1")])),
        "path_in_name_of_an_ancestor": (
            "path_in_name",
            sealed([prompt(parent="acme/a/./b@1", derivation="fork")], ancestors=[payloads.ancestor("acme/a/./b@1")]),
        ),
        "path_from_the_start": ("not_a_bundle", sealed([prompt("../../etc/passwd@1")])),
        "path_from_the_root": ("not_a_bundle", sealed([prompt("/etc/passwd@1")])),
        "path_with_backslashes": ("not_a_bundle", sealed([prompt("acme\\..\\passwd@1")])),
        "joiner_in_name": ("not_a_bundle", sealed([prompt("acme/tri\u200dage@1")])),
        "line_end_after_name": ("not_a_bundle", sealed([prompt("acme/triage@1\n")])),
        "duplicate_name": ("duplicate_name", sealed([root, root])),
        "unknown_parent": ("unknown_parent", sealed([prompt("acme/b@1", **child)])),
        "root_with_a_parent": (
            "not_a_bundle", sealed([root, prompt("acme/b@1", parent="acme/a@1", derivation="root")]),
        ),
        "descends_from_itself": (
            "lineage_cycle", sealed([prompt("acme/a@1", **child)]),
        ),
        "lineage_cycle": (
            "lineage_cycle",
            sealed(
                [prompt("acme/a@1", parent="acme/b@1", derivation="fork")],
                ancestors=[payloads.ancestor("acme/b@1", **child)],
            ),
        ),
        "licence_that_forbids": Case(
            code="licence_forbids", by_importers_alone=True,
            raw=sealed([prompt(rights="passed_on", licence="LicenseRef-All-Rights-Reserved")]),
        ),
        "text_of_white_space": Case(
            code="invalid_prompt", by_importers_alone=True, raw=sealed([prompt(text=" \n")]),
        ),
        "no_prompts": ("not_a_bundle", enveloped(spelled(_emptied()))),
        "no_text": ("not_a_bundle", sealed([prompt(text="")])),
        "missing_field": ("not_a_bundle", sealed([{k: v for k, v in prompt().items() if k != "licence"}])),
        "field_of_another_kind": ("not_a_bundle", sealed(policy="1")),
        "true_for_a_number": ("not_a_bundle", sealed(policy=True)),
        "score_above_one": ("not_a_bundle", sealed([prompt(reputation=payloads.reputation(trust_ppm=1_000_001))])),
        "score_below_zero": ("not_a_bundle", sealed([prompt(reputation=payloads.reputation(low_ppm=-1))])),
        "royalty_above_half": (
            "not_a_bundle",
            sealed([prompt(royalties=[{"ancestor": "acme/a@1", "holder": "Acme", "rate_bp": 5_001}])]),
        ),
        "a_day_that_never_was": ("not_a_bundle", sealed(as_of="2026-02-30T09:30:00.000000Z")),
        "a_time_with_an_offset": ("not_a_bundle", sealed(as_of="2026-10-31T09:30:00+02:00")),
        "receipt_of_an_export": ("not_a_bundle", sealed(purpose="receipt")),
    }  # fmt: skip


def _emptied() -> dict[str, object]:
    told = payloads.statement()
    return told | {"subject": [], "predicate": told["predicate"] | {"prompts": []}}


def large() -> dict[str, tuple[str, Callable[[], bytes]]]:
    """Refusals that take a large file: their code, and what makes them. Most are as large as is taken at all."""
    room = bundles.LIMITS.size * 3 // 4 - 4_096
    head, tail = spelled(payloads.statement(more="%")).split(b"%")

    def filled(
        unit: bytes, first: bytes = b"", last: bytes = b"", times: int | None = None
    ) -> bytes:
        count = (room - len(head) - len(tail)) // len(unit) if times is None else times
        return enveloped(head[:-1] + first + unit * count + last + tail[1:])

    def prompts(unit: bytes, times: int) -> bytes:
        emptied = spelled(payloads.statement([{}])).replace(b'"prompts":[{}]', b'"prompts":[%]')
        before, after = emptied.split(b"%")
        return enveloped(before + (unit + b",") * (times - 1) + unit + after)

    one = spelled(prompt())
    return {
        "too_large": ("too_large", lambda: sealed([prompt(text="x" * 500_000)] * 30)),
        "million_prompts": ("too_many_values", lambda: prompts(b"{}", 1_000_000)),
        "million_whole_prompts_cut_at_the_limit": ("too_many_values", lambda: prompts(one, room // (len(one) + 1) - 8)),
        "prompts_10_001": ("too_many_prompts", lambda: prompts(b"{}", bundles.MAX_PROMPTS + 1)),
        "prompts_10_000_empty": ("not_a_bundle", lambda: prompts(b"{}", bundles.MAX_PROMPTS)),
        "bomb_of_lists": ("too_many_values", lambda: filled(b"[],", b"[", b"0]")),
        "bomb_of_objects": ("not_canonical", lambda: filled(b'{"a":1},', b"[", b"0] ", times=299_000)),
        "bomb_of_numbers": ("too_many_values", lambda: filled(b"1,", b"[", b"1]")),
        "bomb_of_quotes": ("too_many_values", lambda: filled(b'"",', b"[", b'""]')),
        "bomb_of_wrong_tags": (
            "not_a_bundle",
            lambda: prompts(one.replace(b'["task:triage"]', b"[" + b'"",' * 500_000 + b'""]'), 1),
        ),
        "bomb_of_wide_characters": ("not_canonical", lambda: filled("🙂".encode(), b'"', b'" ')),
        "bomb_of_one_wide_character": ("not_canonical", lambda: filled(b"x", '"🙂'.encode(), b'" ')),
        "bomb_of_backslashes": ("not_canonical", lambda: filled(b"\\\\", b'"', b'" ')),
        "bomb_of_escapes": ("not_canonical", lambda: filled(b"\\u0041", b'"', b'"')),
        "bomb_in_the_envelope": (
            "not_canonical",
            lambda: good()["small"][:-1] + b',"x":"' + "🙂".encode() + b"x" * 16_700_000 + b'"}',
        ),
        "depth_10_6": ("too_deep", lambda: enveloped(b"[" * 1_000_000)),
        "white_space": ("not_canonical", lambda: good()["small"] + b" " * (15 << 20)),
        "zip_of_zeros": ("too_large", lambda: b"PK\x03\x04" + bytes(17 << 20)),
    }  # fmt: skip


def main() -> None:
    """Write both folders anew."""
    for folder, files in (
        ("good", good()), ("bad", {name: case.raw for name, case in bad().items()}),
    ):  # fmt: skip
        (FOLDER / folder).mkdir(exist_ok=True)
        for old in (FOLDER / folder).glob("*.json"):
            old.unlink()
        for name, raw in files.items():
            (FOLDER / folder / f"{name}.json").write_bytes(raw)


if __name__ == "__main__":
    main()
