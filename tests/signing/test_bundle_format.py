"""docs/bundle-format.md: what it says is what is done, its example is a bundle, and its reader reads bundles."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import pydantic
import pytest
from cryptography.exceptions import InvalidSignature

from mintmark.common import errors
from mintmark.signing import bundles, canonical_json, dsse, folder_manifest, revocation_list
from tests.bundles import generate, payloads

PAGE = (Path(__file__).parents[2] / "docs/bundle-format.md").read_text()
GOOD = generate.good()
BAD = generate.bad()


def block(name: str) -> str:
    """The text of the block of code of this name."""
    (text,) = re.findall(rf"^```\w+ {name}\n(.*?)\n```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    return str(text)


def section(title: str) -> str:
    """What stands under a heading, up to the next."""
    (text,) = re.findall(rf"^##+ {title}\n(.*?)(?=^##)", PAGE, flags=re.MULTILINE | re.DOTALL)
    return str(text)


def fields(text: str) -> set[str]:
    """The fields that the first column of a table names."""
    rows = re.findall(r"^\| (`.*?) \|", text, flags=re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


@pytest.mark.parametrize(
    ("title", "model"),
    [
        ("The bundle", bundles.Bundle), ("A prompt set", bundles.BundlePromptSet), ("An issuer", bundles.BundleIssuer),
        ("A prompt", bundles.BundledPrompt), ("A royalty", bundles.BundleRoyalty),
        ("A reputation", bundles.BundleReputation), ("An event", bundles.BundleEvent),
        ("An ancestor", bundles.BundleAncestor), ("A receipt", bundles.BundleReceipt),
        ("Revocation lists", revocation_list.RevocationListPayload),
    ],
)  # fmt: skip
def test_every_field_is_told_and_no_other(title: str, model: type[pydantic.BaseModel]) -> None:
    assert fields(section(title)) == model.model_fields.keys()


def test_every_code_of_a_reader_is_told() -> None:
    readers: list[type[errors.CodedError]] = [
        bundles.InvalidBundle,
        dsse.InvalidEnvelope,
        canonical_json.InvalidCanonicalJson,
    ]
    readers += [folder_manifest.InvalidFolder, revocation_list.InvalidRevocationList]
    codes = {code for reader in readers for code in reader.codes}
    assert not [code for code in codes if f"`{code}`" not in PAGE]


def test_the_names_and_limits_are_those_of_the_code() -> None:
    for name in (
        bundles.PAYLOAD_TYPE, bundles.STATEMENT, bundles.PREDICATE, revocation_list.PAYLOAD_TYPE, revocation_list.EPOCH,
        folder_manifest.PREDICATE, folder_manifest.MANIFEST, folder_manifest.BUNDLE,
    ):  # fmt: skip
        assert f"`{name}`" in PAGE
    assert "at most 16 MiB" in PAGE and bundles.LIMITS.size == 16 << 20
    of_payload = f"{bundles.LIMITS.depth} levels and {bundles.LIMITS.values:,} brackets"
    assert of_payload in PAGE
    assert f"{bundles.MAX_PROMPTS:,} prompts" in PAGE
    assert f"1 to {dsse.MAX_SIGNATURES} of" in PAGE
    for limits in (folder_manifest.LIMITS, revocation_list.LIMITS):
        assert f"{limits.depth} levels and {limits.values:,} brackets" in PAGE


def test_the_example_is_a_bundle_to_the_last_byte() -> None:
    raw = block("file").encode()
    payload = block("payload").encode()
    assert raw == GOOD["small"]
    opened = bundles.verify(raw)
    assert opened.envelope.payload == payload
    assert opened.key_ids == {block("key")}
    assert block("pae").encode() + b" " + payload == dsse.pae(bundles.PAYLOAD_TYPE, payload)
    assert opened.envelope.signatures[0].value.hex() == block("signature")
    for content, what in ((payload, "payload"), (raw, "file")):
        said = re.search(rf"{what}, ([\d,]+) bytes.*?SHA-256 is `(\w+)`", PAGE)
        assert said is not None
        assert said[1] == f"{len(content):,}"
        assert said[2] == hashlib.sha256(content).hexdigest()


def _reader() -> Callable[[bytes], tuple[bytes, set[str]]]:
    (code,) = re.findall(r"^```python\n(.*?)```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    names: dict[str, Callable[[bytes], tuple[bytes, set[str]]]] = {}
    exec(code, names)
    return names["signers"]


@pytest.mark.parametrize("name", GOOD)
def test_the_reader_of_the_page_reads_bundles(name: str) -> None:
    payload, keys = _reader()(GOOD[name])
    opened = bundles.verify(GOOD[name])
    assert (payload, keys) == (opened.envelope.payload, opened.key_ids)


OF_ENVELOPES = {
    "not_canonical", "payload_type", "bad_signature", "duplicate_signature", "invalid_key_id", "not_an_envelope",
    "invalid_base64", "invalid_json",
}  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, case in BAD.items()
        if case.code in OF_ENVELOPES
        # In these it is the payload that is spelled otherwise, or the key that is too weak: its other steps.
        and not name.startswith(("payload_with_", "payload_out", "payload_no_json", "minus_zero", "key_that_signs"))
        and name != "too_many_signatures"
    ],
)  # fmt: skip
def test_the_reader_of_the_page_refuses_what_was_changed(name: str) -> None:
    with pytest.raises((ValueError, TypeError, LookupError, InvalidSignature)):
        _reader()(BAD[name].raw)


def test_a_payload_spelled_by_the_rules_of_the_page_is_canonical() -> None:
    told = json.loads(block("payload"))
    spelled = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert spelled.encode() == canonical_json.dumps(told) == base64.b64decode(
        json.loads(block("file"))["payload"]
    )  # fmt: skip
    assert dsse.get_key_id(payloads.HOUSE) == block("key")
