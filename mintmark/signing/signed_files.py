"""Signed files: canonical envelopes (RFC 8785, standard base64) of one payload type, with all signatures valid."""

from mintmark.common import errors
from mintmark.signing import canonical_json, dsse
from mintmark.signing.dsse import Envelope


class InvalidSignedFile(errors.CodedError):
    """An envelope that is not canonical, or of another payload type. `code` says which."""

    codes = frozenset(("not_canonical", "payload_type"))


def verify(
    raw: bytes, *, payload_type: str, max_bytes: int, document_kind: str
) -> tuple[Envelope, frozenset[str]]:
    """The envelope in these bytes, and the ids of the keys that signed it. `document_kind` names the expected document
    in errors.

    Raises `InvalidCanonicalJson`, `InvalidEnvelope` or `InvalidSignedFile`, checked in the order of
    docs/bundle-format.md.
    """
    if len(raw) <= max_bytes and not raw.isascii():
        canonical_json.decode_utf8(raw)
        raise InvalidSignedFile(
            "not_canonical", f"A {document_kind} is written in ASCII; this file is not."
        )
    envelope = dsse.parse(raw, max_bytes=max_bytes)
    if envelope.to_bytes() != raw:
        raise InvalidSignedFile(
            "not_canonical",
            f"The {document_kind} is not in its canonical form: canonical JSON (RFC 8785) in standard base64 and "
            "nothing more, not even a last line end. Use the file as its issuer published it.",
        )
    if envelope.payload_type != payload_type:
        raise InvalidSignedFile(
            "payload_type",
            f"It holds {envelope.payload_type[:80]!r}, and a {document_kind} holds {payload_type}.",
        )
    return envelope, dsse.verify(envelope)
