"""Files of one spelling: canonical envelopes (RFC 8785, standard base64) of one payload type, all signatures good."""

from mintmark.core import canonical_json, dsse, errors
from mintmark.core.dsse import Envelope


class BadFile(errors.OneOf):
    """An envelope that is spelled otherwise than it was written, or holds another thing. `code` says which."""

    codes = frozenset(("not_canonical", "payload_type"))


def opened(
    raw: bytes, *, payload_type: str, most_bytes: int, what: str
) -> tuple[Envelope, frozenset[str]]:
    """The envelope that these bytes are, and the ids of the keys that signed it; `what` it should hold, in words.

    Refused with `canonical_json.BadJson`, `dsse.BadEnvelope` or `BadFile`, in the order of docs/bundle-format.md.
    """
    if len(raw) <= most_bytes and not raw.isascii():
        canonical_json.decoded(raw)
        raise BadFile("not_canonical", f"A {what} is written in ASCII; this file is not.")
    envelope = dsse.opened(raw, most_bytes=most_bytes)
    if envelope.to_bytes() != raw:
        raise BadFile(
            "not_canonical",
            f"The {what} is not spelled as it was written: canonical JSON (RFC 8785) in standard base64 and nothing "
            "more, not even a last line end. Take it as its issuer gave it out.",
        )
    if envelope.payload_type != payload_type:
        raise BadFile(
            "payload_type",
            f"It holds {envelope.payload_type[:80]!r}, and a {what} holds {payload_type}.",
        )
    return envelope, dsse.verified(envelope)
