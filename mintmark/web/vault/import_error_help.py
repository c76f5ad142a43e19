"""What each refusal of a file means, in plain words, and what whoever brought it can do about it."""

from dataclasses import dataclass

_AGAIN = "Have the file sent again, as a file: mail programs, editors and chats change text that is pasted into them."
_ISSUER = "Report it to the issuer. You can't repair the file, because any change makes its signature invalid."
_NEWER = "Ask the issuer for a bundle in the older format, or update this installation."
_SMALLER = "Ask the issuer for several smaller bundles."
_OTHER_KIND = (
    "Ask for the bundle itself. A revocation list is imported on the page of signing keys."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorAdvice:
    """What a code `means` and what to `do`."""

    code: str
    meaning: str
    action: str


ADVICE: tuple[ErrorAdvice, ...] = tuple(
    ErrorAdvice(code=code, meaning=means, action=do)
    for code, means, do in (
        ("bad_signature", "The file was changed after it was signed, or the signature was forged.", _AGAIN),
        ("digest_mismatch", "A text does not match its signed digest.", _ISSUER),
        ("not_canonical", "The file was reformatted, so its bytes are not the original ones.", _AGAIN),
        ("invalid_json", "It is not JSON: it is truncated, or another kind of file.", _AGAIN),
        ("invalid_utf8", "Some of its bytes are not text: it is damaged, or another kind of file.", _AGAIN),
        ("invalid_base64", "A part that should be base64 is not: the file is damaged.", _AGAIN),
        ("not_an_envelope", "It is JSON, but not a signed file.", _OTHER_KIND),
        ("payload_type", "It is signed, but is not a bundle.", _OTHER_KIND),
        ("not_a_bundle", "It is signed, but parts of a bundle are missing or wrong.", _ISSUER),
        ("invalid_key_id", "A signature names an invalid key, or a key under which anybody can sign.", _ISSUER),
        ("duplicate_signature", "One key signed it twice, which could count as two signatures.", _ISSUER),
        ("duplicate_json_key", "A field appears twice, so two readers could read different values.", _ISSUER),
        ("key_not_ascii", "A field's name has characters that look like others.", _ISSUER),
        ("nul_character", "A text contains the character U+0000, where some programs stop reading.", _ISSUER),
        ("not_an_integer", "It contains a fraction or an invalid number. Bundles contain only whole numbers.", _ISSUER),
        ("integer_too_large", "It contains a number that some programs round.", _ISSUER),
        ("unknown_version", "It has a newer format than this installation can read.", _NEWER),
        ("too_large", "It is larger than this installation allows.", _SMALLER),
        ("too_deep", "It is nested deeper than any bundle, perhaps to exhaust the reader.", _ISSUER),
        ("too_many_values", "It contains more values than a bundle may, perhaps to exhaust the reader.", _SMALLER),
        ("too_many_prompts", "It contains more prompts than a bundle may.", _SMALLER),
        ("path_in_name", "A name contains a path that leaves its folder, as in an attack.", _ISSUER),
        ("duplicate_name", "Two prompts have the same name.", _ISSUER),
        ("unknown_parent", "A prompt has a parent that is not in the file.", _ISSUER),
        ("lineage_cycle", "A prompt is its own ancestor.", _ISSUER),
        ("licence_forbids", "The licence of a text does not allow the issuer to pass it on.",
         "Ask the author for a bundle, or for a licence that allows it."),
        ("invalid_prompt", "A text or a name can't be registered here.", _ISSUER),
        ("signing_key_revoked", "A key that signed it was revoked, so anybody may have used it.",
         "Ask the issuer to sign the bundle again with a valid key."),
        ("signing_key_expired", "Too few of the keys that signed it are still valid.",
         "Ask the issuer to sign the bundle again with their current key."),
        ("below_threshold", "Fewer trusted keys signed it than this installation requires.",
         "Have a trusted party countersign it, or ask an administrator to trust another key that signed it."),
        ("unknown_signer", "No trusted key signed it.",
         "An administrator can trust its key after confirming whose it is."),
        ("refused", "A person refused it for the reason given.",
         "Talk to that person. The same file can be imported again."),
    )
)  # fmt: skip

_BY_CODE = {advice.code: advice for advice in ADVICE}


def get_advice(code: str) -> ErrorAdvice:
    """What to say of a code; of one that has no words of its own, what holds of all."""
    advice = _BY_CODE.get(code)
    if advice is not None:
        return advice
    return ErrorAdvice(code=code, meaning="The file can't be imported.", action=_ISSUER)
