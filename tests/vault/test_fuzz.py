"""Whatever a file says, whoever signed it: it is refused, or taken as it stands. Nothing but a refusal escapes.

With HYPOTHESIS_PROFILE=nightly these are 10⁵ cases in all.
"""

import base64
import copy
import hashlib
import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mintmark.common import errors
from mintmark.signing import bundles, canonical_json, dsse, signed_files
from mintmark.vault import installation, quarantine
from mintmark.vault.models import BundleImport, TrustedKey
from tests.bundles import generate, payloads
from tests.bundles.payloads import HOUSE, STRANGER, TEAM
from tests.factories.market_fixture import Stall

_IS_NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
CORE_CASES = 80_000 if _IS_NIGHTLY else 300
IMPORTER_CASES = 20_000 if _IS_NIGHTLY else 40

GOOD = [raw for name, raw in generate.good().items() if name != "stranger"]
TOLD = [json.loads(base64.b64decode(json.loads(raw)["payload"])) for raw in GOOD]
SIGNERS = st.lists(
    st.sampled_from([HOUSE, TEAM, STRANGER]), min_size=1, max_size=2, unique_by=dsse.get_key_id
)

TEXTS = st.text(max_size=8) | st.sampled_from(
    ["acme/triage@1", "acme/triage@2", "forks/x@1", "a/../b@1", "root", "fork", "revision", "", "2.0", "1.9",
     "LicenseRef-All-Rights-Reserved", "MIT", "passed_on", "bought", "author", "receipt", "export", "0" * 64,
     "2026-02-30T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00.000000Z", "a\u202eb", "\0",
     "{" * 20]
)  # fmt: skip
NUMBERS = st.integers() | st.sampled_from(
    [0, 1, -1, 10**6, 10**6 + 1, 2**31, 2**53 - 1, 2**53, 2**63]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every part of a JSON value but the whole."""
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    found = []
    for name, one in inner:
        found += [(*path, name), *_places(one, (*path, name))]
    return found


@st.composite
def mutated(draw: st.DrawFn, values: list[Any]) -> Any:
    """One of these values with one to three parts replaced, left out, doubled, renamed or swapped with another."""
    value = copy.deepcopy(draw(st.sampled_from(values)))
    for _ in range(draw(st.integers(1, 3))):
        places = _places(value)
        if not places:
            break
        *way, last = draw(st.sampled_from(places))
        holder = value
        for name in way:
            holder = holder[name]
        match draw(st.sampled_from(["replace", "leave out", "double", "rename", "swap"])):
            case "replace":
                holder[last] = draw(ANYTHING)
            case "leave out":
                del holder[last]
            case "double" if isinstance(holder, list):
                holder.append(copy.deepcopy(holder[last]))
            case "rename" if isinstance(holder, dict):
                holder[draw(TEXTS)] = holder.pop(last)
            case "swap" if isinstance(holder, dict):
                other = draw(st.sampled_from(sorted(holder)))
                holder[last], holder[other] = holder[other], holder[last]
            case _:
                holder[last] = draw(TEXTS)
    return value


def _mended(told: Any) -> Any:
    """The same with digests and subjects that fit, so that what lies behind them is reached."""
    try:
        for prompt in told["predicate"]["prompts"]:
            prompt["digest"] = hashlib.sha256(prompt["text"].encode()).hexdigest()
        told["subject"] = [
            {"name": prompt["name"], "digest": {"sha256": prompt["digest"]}}
            for prompt in told["predicate"]["prompts"]
        ]
    except (KeyError, TypeError, AttributeError, UnicodeEncodeError):
        pass
    return told


def _spelled(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


@st.composite
def cut(draw: st.DrawFn, raw: bytes) -> bytes:
    """Bytes with a piece replaced by another, by nothing, or by part of themselves."""
    start = draw(st.integers(0, len(raw)))
    end = draw(st.integers(start, min(len(raw), start + 40)))
    piece = draw(
        st.binary(max_size=8) | st.sampled_from([b"", raw[:50], b'"', b"{", b"[" * 40, b"\\"])
    )
    return raw[:start] + piece + raw[end:]


SIGNED = st.builds(
    lambda told, keys: payloads.enveloped(_spelled(told), keys=keys),
    mutated(TOLD) | mutated(TOLD).map(_mended),
    SIGNERS,
)
FILES = st.one_of(
    SIGNED,
    SIGNED,
    st.builds(
        lambda payload, keys: payloads.enveloped(payload, keys=keys),
        st.sampled_from(TOLD).map(_spelled).flatmap(cut) | st.binary(max_size=40),
        SIGNERS,
    ),
    mutated([json.loads(raw) for raw in GOOD]).map(_spelled),
    st.sampled_from(GOOD).flatmap(cut),
    st.binary(max_size=80),
)


@settings(max_examples=CORE_CASES)
@given(FILES)
def test_reading_refuses_or_takes_a_file_as_it_stands(raw: bytes) -> None:
    try:
        opened = bundles.verify(raw)
    except errors.DomainError as refusal:
        said = refusal
    else:
        _holds(raw, opened)
        return
    assert (
        said.code
        in canonical_json.InvalidCanonicalJson.codes
        | dsse.InvalidEnvelope.codes
        | signed_files.InvalidSignedFile.codes
        | bundles.InvalidBundle.codes
    )
    assert len(said.message) < 500


def _holds(raw: bytes, opened: bundles.VerifiedBundle) -> None:
    """What was taken is all that it claims to be, by other means than those that took it."""
    envelope = json.loads(raw)
    payload = base64.b64decode(envelope["payload"])
    assert json.loads(payload) == opened.statement
    message = dsse.pae(bundles.PAYLOAD_TYPE, payload)
    for row in envelope["signatures"]:
        dsse.load_public_key(row["keyid"]).verify(base64.b64decode(row["sig"]), message)
    told = opened.statement["predicate"]["prompts"]
    for prompt in told:
        assert hashlib.sha256(prompt["text"].encode()).hexdigest() == prompt["digest"]
    assert [one["digest"]["sha256"] for one in opened.statement["subject"]] == [
        prompt["digest"] for prompt in told
    ]


@pytest.fixture
def importer(stall: Stall) -> Callable[[bytes], None]:
    """Takes a file in as far as it goes, and undoes it."""
    installation.get_installation_id()
    for key in (HOUSE, TEAM):
        TrustedKey.objects.create(
            key_id=dsse.get_key_id(key), name="trusted", reason="for the tests", trusted_at=stall.now,
            trusted_by=stall.principal(stall.admin),
        )  # fmt: skip
    admin = stall.as_(stall.admin)

    def take(raw: bytes) -> None:
        with transaction.atomic():
            row = quarantine.receive_bundle(
                caller=admin, team=stall.thirds, raw=raw, now=payloads.NOW
            )
            assert row.state in (BundleImport.State.REFUSED, BundleImport.State.WAITING)
            if row.state == BundleImport.State.WAITING:
                quarantine.inspect_import(row)
                _accepted(row)
            transaction.set_rollback(True)

    def _accepted(row: BundleImport) -> None:
        try:
            with transaction.atomic():
                taken = quarantine.accept_import(
                    caller=admin,
                    bundle_import=row,
                    reason="to see",
                    runs=None,
                    namespace=None,
                    now=payloads.NOW,
                )
        except errors.DomainError:
            return
        assert taken.vault is not None or taken.state == BundleImport.State.REFUSED

    return take


@settings(
    max_examples=IMPORTER_CASES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(FILES)
def test_taking_in_refuses_or_keeps_a_file(importer: Callable[[bytes], None], raw: bytes) -> None:
    importer(raw)
