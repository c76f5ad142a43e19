"""Bundles: golden files, what they say, and that the same bundle is the same bytes."""

import base64
import json
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintmark.common import errors
from mintmark.signing import bundles, canonical_json, dsse, key_policy, signed_files
from mintmark.signing.bundles import Bundle
from tests.bundles import generate, payloads
from tests.bundles.generate import FOLDER, Case
from tests.bundles.payloads import HOUSE, TEAM

GOOD = generate.good()
BAD = generate.bad()


def judged(raw: bytes, *, threshold: int = 1) -> key_policy.SignerVerdict:
    """A file read and judged as whoever takes it in does."""
    return key_policy.evaluate_signers(
        key_ids=bundles.verify(raw).key_ids,
        roots=payloads.roots(),
        threshold=threshold,
        now=payloads.NOW,
    )


def test_the_files_are_those_that_are_made() -> None:
    kept = {
        f"{folder}/{file.stem}": file.read_bytes()
        for folder in ("good", "bad")
        for file in (FOLDER / folder).iterdir()
    }
    made = {f"good/{name}": raw for name, raw in GOOD.items()}
    made |= {f"bad/{name}": case.raw for name, case in BAD.items()}
    assert kept.keys() == made.keys(), "run `python -m tests.bundles.generate`"
    assert not [name for name in kept if kept[name] != made[name]]


def test_the_files_take_little_room() -> None:
    assert sum(file.stat().st_size for file in FOLDER.rglob("*") if file.is_file()) < 1 << 20


@pytest.mark.parametrize("name", GOOD)
def test_a_good_bundle_opens(name: str) -> None:
    raw = GOOD[name]
    opened = bundles.verify(raw)
    assert opened.envelope.to_bytes() == raw
    assert canonical_json.dumps(opened.statement) == opened.envelope.payload
    assert judged(raw).is_known == (name != "stranger")


@pytest.mark.parametrize("name", sorted(GOOD.keys() - {"later_minor_version"}))
def test_what_was_read_is_sealed_to_the_same_bytes(name: str) -> None:
    opened = bundles.verify(GOOD[name])
    keys = [
        key for key in (HOUSE, TEAM, payloads.STRANGER) if dsse.get_key_id(key) in opened.key_ids
    ]
    assert bundles.sign(opened.bundle, keys=keys[::-1]).to_bytes() == GOOD[name]


def test_a_later_minor_version_keeps_what_it_says_beyond_ours() -> None:
    opened = bundles.verify(GOOD["later_minor_version"])
    assert opened.bundle.version == "1.7"
    assert opened.statement["predicate"]["blessing"] == {"by": "nobody yet", "at": [1, True, None]}


def test_what_a_bundle_says_is_read_as_it_was_told() -> None:
    fork, revision = bundles.verify(GOOD["family"]).bundle.prompts
    assert fork.text == 'Sort {ticket} by urgency, calmly 🙂.\r\n\tÄnderung:\\ "{ticket}"\u2028'
    assert (fork.parent, fork.derivation, fork.tags) == (
        "acme/triage@1", "fork", ("task:triage", "@tone+"),
    )  # fmt: skip
    assert [(r.ancestor, r.holder, r.rate_bp) for r in fork.royalties] == [
        ("acme/triage@1", "Acme", 500)
    ]
    assert revision.events is not None and revision.events[0].score_ppm == 900_000
    receipt = bundles.verify(GOOD["receipt"]).bundle.receipt
    assert receipt is not None and receipt.price_micro == 12_500_000


@pytest.mark.parametrize("name", BAD)
def test_a_bad_bundle_is_refused_with_its_code(name: str) -> None:
    case = BAD[name]
    if case.by_importers_alone:
        assert judged(case.raw).is_known
        return
    with pytest.raises(errors.DomainError) as refused:
        judged(case.raw, threshold=case.threshold)
    assert refused.value.code == case.code
    assert len(refused.value.message) < 400


def test_every_code_has_a_file() -> None:
    told = {case.code for case in BAD.values()} | {code for code, _ in generate.large().values()}
    codes = (
        bundles.InvalidBundle.codes
        | signed_files.InvalidSignedFile.codes
        | dsse.InvalidEnvelope.codes
        | canonical_json.InvalidCanonicalJson.codes
    )
    assert not codes - told


def test_a_case_is_refused_for_its_own_reason() -> None:
    """Each file is whole but for one thing, so its neighbour is taken."""
    assert judged(payloads.sealed()).is_known
    assert judged(payloads.sealed(keys=[HOUSE, TEAM]), threshold=2).is_known
    assert isinstance(BAD["below_threshold"], Case)


ODD_TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40
)


@given(texts=st.lists(ODD_TEXTS, min_size=1, max_size=4), title=ODD_TEXTS, both=st.booleans())
def test_any_bundle_is_sealed_and_read_back(texts: list[str], title: str, both: bool) -> None:
    prompts: list[dict[str, Any]] = []
    for n, text in enumerate(texts, start=1):
        parent = f"acme/a@{n - 1}" if n > 1 else None
        prompts.append(
            payloads.prompt(
                f"acme/a@{n}", text=text, parent=parent, derivation="revision" if parent else "root", title=title
            )
        )  # fmt: skip
    bundle = Bundle.model_validate_json(json.dumps(payloads.predicate(prompts)))
    keys = [HOUSE, TEAM] if both else [HOUSE]
    raw = bundles.sign(bundle, keys=keys).to_bytes()
    assert raw == payloads.sealed(prompts, keys=keys)
    opened = bundles.verify(raw)
    assert opened.bundle == bundle
    assert opened.key_ids == {dsse.get_key_id(key) for key in keys}


def test_a_text_that_nobody_could_read_is_not_sealed() -> None:
    told = payloads.prompt(text="a\0b")
    bundle = Bundle.model_validate_json(json.dumps(payloads.predicate([told])))
    with pytest.raises(canonical_json.InvalidCanonicalJson) as refused:
        bundles.sign(bundle, keys=[HOUSE])
    assert refused.value.code == "nul_character"
    with pytest.raises(pydantic.ValidationError):
        bundle.prompts[0].model_validate({**bundle.prompts[0].model_dump(), "text": "\ud800"})


def test_limits_are_what_the_caller_says() -> None:
    raw = payloads.sealed([payloads.prompt(f"acme/a@{n}") for n in range(1, 4)])
    payload = base64.b64decode(json.loads(raw)["payload"])
    tight = canonical_json.JsonLimits(size=len(raw), depth=6, values=payload.count(b",") + 100)
    assert bundles.verify(raw, limits=tight, max_prompts=3)
    for limits, most, code in (
        (canonical_json.JsonLimits(size=len(raw) - 1, depth=6, values=999), 3, "too_large"),
        (canonical_json.JsonLimits(size=len(raw), depth=4, values=999), 3, "too_deep"),
        (canonical_json.JsonLimits(size=len(raw), depth=6, values=20), 3, "too_many_values"),
        (tight, 2, "too_many_prompts"),
    ):
        with pytest.raises(errors.DomainError) as refused:
            bundles.verify(raw, limits=limits, max_prompts=most)
        assert refused.value.code == code
