"""What each refusal of a file means, in plain words, and what whoever brought it can do about it."""

from dataclasses import dataclass

_AGAIN = "Have the file sent again, as a file: mail programs, editors and chats rewrite what is pasted into them."
_ISSUER = (
    "Tell whoever made it. No change to the file can mend it, since it would no longer be signed."
)
_NEWER = "Ask its issuer for a bundle in the older format, or update this installation."
_SMALLER = "Ask its issuer for several smaller bundles."
_OTHER_KIND = "Ask for the bundle itself. A withdrawal list is taken in on the page of keys."


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorAdvice:
    """What a code `means` and what to `do`."""

    code: str
    meaning: str
    action: str


ADVICE: tuple[ErrorAdvice, ...] = tuple(
    ErrorAdvice(code=code, meaning=means, action=do)
    for code, means, do in (
        ("bad_signature", "The file was changed after it was signed, or somebody signs in another's name.", _AGAIN),
        ("digest_mismatch", "A text is not the one whose digest was signed.", _ISSUER),
        ("not_canonical", "What it says may be the same, but it is spelled otherwise than it was written.", _AGAIN),
        ("invalid_json", "It is no JSON: cut short on the way, or another kind of file.", _AGAIN),
        ("invalid_utf8", "Some of its bytes are no text: damaged on the way, or another kind of file.", _AGAIN),
        ("invalid_base64", "A part that should be base64 is none: damaged on the way.", _AGAIN),
        ("not_an_envelope", "It is JSON, but nothing that somebody signed.", _OTHER_KIND),
        ("payload_type", "It was signed, but as another kind of thing than a bundle.", _OTHER_KIND),
        ("not_a_bundle", "It was signed, but does not hold what a bundle holds.", _ISSUER),
        ("invalid_key_id", "A signature names a key that is none, or one under which anybody can sign.", _ISSUER),
        ("duplicate_signature", "One key signed it twice, so that it could be counted twice.", _ISSUER),
        ("duplicate_json_key", "A field stands twice, so that two readers could read two things.", _ISSUER),
        ("key_not_ascii", "A field's name has characters that look like others.", _ISSUER),
        ("nul_character", "A text holds the character U+0000, at which some readers end.", _ISSUER),
        ("not_an_integer", "It holds a fraction, or what is no number. Bundles tell whole numbers alone.", _ISSUER),
        ("integer_too_large", "It holds a number that not every reader keeps exactly.", _ISSUER),
        ("unknown_version", "It was written in a later format than is read here.", _NEWER),
        ("too_large", "It is larger than this installation takes.", _SMALLER),
        ("too_deep", "It is nested deeper than any bundle: somebody may want to exhaust the reader.", _ISSUER),
        ("too_many_values", "It holds more values than a bundle may, perhaps to exhaust its reader.", _SMALLER),
        ("too_many_prompts", "It holds more prompts than one bundle may.", _SMALLER),
        ("path_in_name", "A name is a way out of its folder, as attackers write it.", _ISSUER),
        ("duplicate_name", "Two prompts have one name.", _ISSUER),
        ("unknown_parent", "A prompt descends from one that the file does not tell.", _ISSUER),
        ("lineage_cycle", "A prompt descends from itself.", _ISSUER),
        ("licence_forbids", "Whoever tells a text may not pass it on under its licence.",
         "Ask its author for a bundle, or for a licence that allows it."),
        ("invalid_prompt", "A text or a name can't be registered here.", _ISSUER),
        ("signing_key_revoked", "A key that signed it was revoked: whoever holds it now may be anybody.",
         "Ask its issuer for the same bundle signed with a key that is still good."),
        ("signing_key_expired", "Too few keys that are still good signed it.",
         "Ask its issuer to sign it anew with the key that he uses now."),
        ("below_threshold", "Fewer trusted keys signed it than this installation asks for.",
         "Have somebody who is trusted here countersign it, or let an admin trust another key that signed it."),
        ("unknown_signer", "Nobody who is trusted here signed it.",
         "An admin may trust its key, once he knows whose it is."),
        ("refused", "A person looked at it and refused it, for the reason given.",
         "Talk to that person. The same file can be brought again."),
    )
)  # fmt: skip

_BY_CODE = {advice.code: advice for advice in ADVICE}


def get_advice(code: str) -> ErrorAdvice:
    """What to say of a code; of one that has no words of its own, what holds of all."""
    advice = _BY_CODE.get(code)
    if advice is not None:
        return advice
    return ErrorAdvice(code=code, meaning="The file can't be taken in.", action=_ISSUER)
