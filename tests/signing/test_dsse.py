"""Envelopes: golden bytes, what another implementation of DSSE makes of ours, and we of its."""

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope as TheirEnvelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, Key, SSlibKey

from mintmark.signing import dsse
from mintmark.signing.dsse import InvalidEnvelope, InvalidPublicKey
from tests.bundles.payloads import HOUSE, STRANGER, TEAM

MOST_BYTES = 1 << 20
TYPE = "http://example.com/HelloWorld"

# RFC 8032, 7.1, tests 1 to 3: seed, public key, message, signature.
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
        "655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee"
        "b00d291612bb0c00",
    ),
]


# "hello world" of the type above, signed by the test key `house` (tests/bundles/README.md).
GOLDEN_SIGNATURE = (
    b"x+QJXqPsuxaMx1gZAIRlFRci6E2o9zR9tjKXSkuerCc4JyLtmziSDF7wgbdIVgx+0tYnnVtfLcbuNNcpr3reBQ=="
)


def _theirs(key: Ed25519PrivateKey, name: str | None = None) -> SSlibKey:
    raw = key.public_key().public_bytes_raw().hex()
    return SSlibKey(name or raw, "ed25519", "ed25519", {"public": raw})


def test_the_bytes_that_are_signed_are_those_of_the_specification() -> None:
    # github.com/secure-systems-lab/dsse, protocol.md: the example of its test vectors.
    assert (
        dsse.pae(TYPE, b"hello world") == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert dsse.pae("", b"") == b"DSSEv1 0  0 "
    assert dsse.pae("ä", "ö".encode()) == b"DSSEv1 2 \xc3\xa4 2 \xc3\xb6"


@given(st.text(st.characters(exclude_categories=["Cs"])), st.binary())
def test_no_payload_passes_for_one_of_another_type(kind: str, payload: bytes) -> None:
    message = dsse.pae(kind, payload)
    assert message == TheirEnvelope(payload, kind, {}).pae()
    for at in range(len(payload) + 1):
        assert dsse.pae(kind + " " + payload[:at].decode("latin-1"), payload[at:]) != message


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC_8032)
def test_keys_sign_as_rfc_8032_has_it(seed: str, public: str, message: str, signature: str) -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))
    assert dsse.get_key_id(key) == public
    assert key.sign(bytes.fromhex(message)).hex() == signature
    dsse.load_public_key(public).verify(bytes.fromhex(signature), bytes.fromhex(message))


def test_an_envelope_has_these_bytes() -> None:
    envelope = dsse.sign(payload_type=TYPE, payload=b"hello world", keys=[HOUSE])
    assert envelope.to_bytes() == (
        b'{"payload":"aGVsbG8gd29ybGQ=","payloadType":"http://example.com/HelloWorld","signatures":[{"keyid":"'
        + dsse.get_key_id(HOUSE).encode()
        + b'","sig":"'
        + GOLDEN_SIGNATURE
        + b'"}]}'
    )


def test_signatures_stand_by_key_whoever_signed_first() -> None:
    one = dsse.sign(payload_type=TYPE, payload=b"x", keys=[HOUSE, TEAM, STRANGER])
    other = dsse.sign(payload_type=TYPE, payload=b"x", keys=[STRANGER])
    for key in (TEAM, HOUSE, TEAM, STRANGER):
        other = dsse.add_signature(other, key=key)
    assert one.to_bytes() == other.to_bytes()
    assert dsse.verify(one) == {dsse.get_key_id(key) for key in (HOUSE, TEAM, STRANGER)}


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), st.binary())
def test_an_envelope_reads_back(kind: str, payload: bytes) -> None:
    envelope = dsse.sign(payload_type=kind, payload=payload, keys=[HOUSE])
    read = dsse.parse(envelope.to_bytes(), max_bytes=MOST_BYTES)
    assert read == envelope
    assert dsse.verify(read) == {dsse.get_key_id(HOUSE)}


@given(st.binary(max_size=200))
def test_theirs_verifies_ours(payload: bytes) -> None:
    ours = dsse.sign(payload_type=TYPE, payload=payload, keys=[HOUSE, TEAM])
    theirs = TheirEnvelope.from_dict(json.loads(ours.to_bytes()))
    assert theirs.payload == payload
    keys: list[Key] = [_theirs(HOUSE), _theirs(TEAM)]
    assert set(theirs.verify(keys, 2)) == {dsse.get_key_id(HOUSE), dsse.get_key_id(TEAM)}
    with pytest.raises(VerificationError):
        theirs.verify([_theirs(STRANGER)], 1)


@given(st.binary(max_size=200))
def test_ours_verifies_theirs(payload: bytes) -> None:
    """Their key ids are digests of keys, so it is asked which of the keys that are known signed it."""
    theirs = TheirEnvelope(payload, TYPE, {})
    theirs.sign(CryptoSigner(HOUSE))
    theirs.sign(CryptoSigner(TEAM))
    ours = dsse.parse(json.dumps(theirs.to_dict(), indent=1).encode(), max_bytes=MOST_BYTES)
    assert (ours.payload, ours.payload_type) == (payload, TYPE)
    keys = {name: key.public_key() for name, key in (("h", HOUSE), ("t", TEAM), ("s", STRANGER))}
    assert dsse.find_signers(ours, keys=keys) == {"h", "t"}
    with pytest.raises(InvalidEnvelope) as refused:
        dsse.verify(ours)
    assert refused.value.code == "bad_signature"


@pytest.mark.parametrize("encoded", [base64.b64encode, base64.urlsafe_b64encode])
def test_either_alphabet_of_base64_is_read(encoded: Any) -> None:
    payload = b"\xfb\xef\xbe\xff"
    ours = dsse.sign(payload_type=TYPE, payload=payload, keys=[HOUSE])
    value = ours.to_json() | {"payload": encoded(payload).decode()}
    value["signatures"][0]["sig"] = encoded(ours.signatures[0].value).decode()
    read = dsse.parse(json.dumps(value).encode(), max_bytes=MOST_BYTES)
    assert read == ours
    assert dsse.verify(read) == {dsse.get_key_id(HOUSE)}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"payloadType": None}, "not_an_envelope"),
        ({"payload": 1}, "not_an_envelope"),
        ({"signatures": {}}, "not_an_envelope"),
        ({"signatures": []}, "not_an_envelope"),
        ({"signatures": ["x"]}, "not_an_envelope"),
        ({"signatures": [{"keyid": "a"}]}, "not_an_envelope"),
        ({"signatures": [{"keyid": "a", "sig": ""}] * 33}, "not_an_envelope"),
        ({"payload": "a"}, "invalid_base64"),
        ({"payload": "aGVs bG8="}, "invalid_base64"),
        ({"payload": "aGVsbG8"}, "invalid_base64"),
        ({"payload": "ä==="}, "invalid_base64"),
        ({"signatures": [{"keyid": "a", "sig": "?"}]}, "invalid_base64"),
    ],
)
def test_what_is_no_envelope_is_refused(changes: dict[str, Any], code: str) -> None:
    value = dsse.sign(payload_type=TYPE, payload=b"x", keys=[HOUSE]).to_json() | changes
    with pytest.raises(InvalidEnvelope) as refused:
        dsse.parse(json.dumps(value).encode(), max_bytes=MOST_BYTES)
    assert refused.value.code == code


def test_a_signature_is_worth_nothing_over_anything_else() -> None:
    good = dsse.sign(payload_type=TYPE, payload=b"x", keys=[HOUSE])
    value = good.signatures[0].value
    for changed in (
        {"payload": b"y"}, {"payload_type": TYPE + "s"},
        {"signatures": (dsse.Signature(key_id=dsse.get_key_id(TEAM), value=value),)},
        {"signatures": (dsse.Signature(key_id=dsse.get_key_id(HOUSE), value=value[:-1]),)},
        {"signatures": (*good.signatures, dsse.Signature(key_id=dsse.get_key_id(TEAM), value=bytes(64)))},
    ):  # fmt: skip
        bad = dsse.Envelope(
            **{"payload_type": TYPE, "payload": b"x", "signatures": good.signatures} | changed
        )
        with pytest.raises(InvalidEnvelope) as refused:
            dsse.verify(bad)
        assert refused.value.code == "bad_signature"


def test_a_key_is_read_from_its_id_or_from_pem() -> None:
    key_id = dsse.get_key_id(HOUSE)
    for raw in (key_id.encode(), f"\n{key_id}\n".encode(), dsse.export_pem(key_id).encode()):
        assert dsse.get_key_id(dsse.read_public_key(raw)) == key_id


def test_what_is_no_key_is_refused() -> None:
    private = HOUSE.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    other = generate_private_key(SECP256R1()).public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )  # fmt: skip
    for raw in (
        b"",
        b"x" * 64,
        b"\xff" * 64,
        dsse.get_key_id(HOUSE).upper().encode(),
        private,
        other,
    ):
        with pytest.raises(InvalidPublicKey):
            dsse.read_public_key(raw)


@pytest.mark.parametrize("low", sorted(dsse._SMALL_ORDER))
@pytest.mark.parametrize("sign", [0, 0x80])
def test_a_key_under_which_anybody_can_sign_is_none(low: str, sign: int) -> None:
    key_id = low[:-2] + f"{int(low[-2:], 16) | sign:02x}"
    with pytest.raises(InvalidPublicKey, match="small order"):
        dsse.load_public_key(key_id)
