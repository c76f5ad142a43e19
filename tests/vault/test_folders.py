"""Folders: files that other tools read, under one signature that nothing escapes."""

import hashlib
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mintmark.common import errors
from mintmark.registry import prompts
from mintmark.registry.models import Prompt
from mintmark.registry.prompts import PromptDraft
from mintmark.signing import bundles, canonical_json, dsse, folder_manifest, signed_files
from mintmark.vault import bundle_store
from mintmark.vault.folder_export import build_files
from tests.factories.market_fixture import SECRET, Stall

from .test_exports import exported

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
SAFE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def written(stall: Stall, name: str, **changes: Any) -> Prompt:
    draft = PromptDraft(
        **({"namespace": "acme", "name": name, "text": f"{name}: {{x}}."} | changes)
    )
    return prompts.register(
        draft=draft, author=stall.principal(stall.cast.seller), team=stall.cast.sellers
    )


def files(
    stall: Stall, *prompts: Prompt, kind: folder_manifest.FolderKind = "skill"
) -> dict[str, bytes]:
    vault = exported(stall, prompts or [stall.prompt])
    return build_files(vault, kind=kind, signing_keys=[KEY])


def front(content: bytes) -> tuple[dict[str, Any], str]:
    """The front matter as a reader of YAML has it, and the text below."""
    head, _, text = content.decode().removeprefix("---\n").partition("\n---\n")
    return yaml.safe_load(head), text


@pytest.mark.django_db
def test_a_skill_is_a_folder_of_its_name_with_the_exact_text(stall: Stall) -> None:
    made = files(stall)
    assert set(made) == {"bundle.json", "MANIFEST.dsse.json", "skills/acme-mint-1/SKILL.md"}
    head, text = front(made["skills/acme-mint-1/SKILL.md"])
    assert text == SECRET
    assert (head["name"], head["description"]) == ("acme-mint-1", "acme/mint@1")
    assert head["metadata"]["mintmark_runs"] == "0"
    assert head["license"] == "LicenseRef-All-Rights-Reserved"
    assert folder_manifest.verify(made) == {dsse.get_key_id(KEY)}


@pytest.mark.django_db
def test_a_dotprompt_names_its_variables(stall: Stall) -> None:
    made = files(stall, kind="dotprompt")
    head, text = front(made["prompts/acme-mint-1.prompt"])
    assert text == SECRET
    assert head["input"] == {"schema": {"coin": "string"}}
    assert head["metadata"]["mintmark_digest"] == f"sha256:{stall.prompt.digest}"
    assert head["metadata"]["mintmark_trust_ppm"] == 500_000
    assert folder_manifest.verify(made) == {dsse.get_key_id(KEY)}


@pytest.mark.django_db
def test_the_bundle_inside_is_the_file_of_the_vault_and_all_is_reproducible(stall: Stall) -> None:
    made = files(stall)
    vault = exported(stall, [stall.prompt])
    assert made["bundle.json"] == bundle_store.get_raw_file(vault)
    assert files(stall) == made


@pytest.mark.django_db
def test_names_are_safe_everywhere_and_none_is_there_twice(stall: Stall) -> None:
    named = ["b c", "b/c", "B-C", "b.c", "été (neu)", "con", "дом", "a" * 200, "a" * 199 + "b"]
    made = files(stall, *[written(stall, name) for name in named])
    skills = [path.split("/")[1] for path in made if path.startswith("skills/")]
    assert len({slug.lower() for slug in skills}) == len(named)
    assert all(SAFE.fullmatch(slug) and len(slug) <= 64 for slug in skills)
    assert {"acme-ete-neu-1", "acme-con-1", "acme-1"} < set(skills)
    assert folder_manifest.verify(made)


@pytest.mark.django_db
def test_what_a_title_says_ends_no_front_matter_and_begins_no_field(stall: Stall) -> None:
    nasty = 'x"\n---\nname: "evil" <b>\u2028\U0001f512 \U000e0041'
    made = files(stall, written(stall, "nasty", title=nasty, text="---\nIt: {x}\n"))
    content = made["skills/acme-nasty-1/SKILL.md"]
    head, text = front(content)
    assert text == "---\nIt: {x}\n"
    assert head["name"] == "acme-nasty-1"
    assert (
        head["description"].startswith('x" --- name: "evil" b') and "<" not in head["description"]
    )
    assert head["description"].endswith("\U0001f512 \U000e0041 (acme/nasty@1)")
    assert "\\U000e0041" in content.decode() and "\U0001f512" in content.decode()


def signed(**changes: Any) -> dict[str, bytes]:
    """A small folder, its manifest changed before it is signed."""
    bundle = (changes.pop("bundle", None)) or _bundle()
    content = {"bundle.json": bundle, "skills/a/SKILL.md": b"text"}
    statement = {
        "_type": bundles.STATEMENT,
        "subject": [
            {"name": path, "digest": {"sha256": hashlib.sha256(content[path]).hexdigest()}}
            for path in sorted(content)
        ],
        "predicateType": folder_manifest.PREDICATE,
        "predicate": {"version": "1.0", "kind": "skill"},
    } | changes
    envelope = dsse.sign(
        payload_type=bundles.PAYLOAD_TYPE, payload=canonical_json.dumps(statement), keys=[KEY]
    )
    return content | {folder_manifest.MANIFEST: envelope.to_bytes()}


def _bundle() -> bytes:
    text = "Weigh {coin}."
    zero = dict.fromkeys(("trust_ppm", "low_ppm", "high_ppm", "average_ppm", "outcomes"), 0)
    prompt = bundles.BundledPrompt(
        name="a/b@1", digest=hashlib.sha256(text.encode()).hexdigest(), text=text, title="",
        licence="MIT", variables=(), tags=(), parent=None, derivation="root", mutation_note="",
        author="ann", rights="author", royalties=(),
        reputation=bundles.BundleReputation(**zero, task="", replays=0, approvals=0, ratings=0),
        events=None,
    )  # fmt: skip
    bundle = bundles.Bundle(
        version="1.0", purpose="export",
        prompt_set=bundles.BundlePromptSet(name="a", title="", description=""),
        issuer=bundles.BundleIssuer(installation="0" * 32, name="there", team=""),
        as_of="2026-01-01T00:00:00.000000Z", policy=1, evidence_seal="", prompts=(prompt,),
        ancestors=(), receipt=None,
    )  # fmt: skip
    return bundles.sign(bundle, keys=[KEY]).to_bytes()


def test_sealed_and_signed_by_hand_are_the_same() -> None:
    content = {path: raw for path, raw in signed().items() if path != folder_manifest.MANIFEST}
    assert folder_manifest.sign(content, kind="skill", keys=[KEY]) == signed()
    assert folder_manifest.verify(signed()) == {dsse.get_key_id(KEY)}


def _subject(path: str) -> list[dict[str, Any]]:
    return [{"name": path, "digest": {"sha256": "0" * 64}}]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda f: f.pop("MANIFEST.dsse.json"), "missing_file"),
        (lambda f: f.pop("skills/a/SKILL.md"), "missing_file"),
        (lambda f: f.update({"skills/b/SKILL.md": b"more"}), "extra_file"),
        (lambda f: f.update({"skills/a/SKILL.md": b"texts"}), "digest_mismatch"),
        (
            lambda f: f.update({"MANIFEST.dsse.json": f["MANIFEST.dsse.json"] + b"\n"}),
            "not_canonical",
        ),
        (lambda f: f.update({"MANIFEST.dsse.json": f["bundle.json"]}), "not_a_folder"),
    ],
)
def test_a_folder_that_was_touched_is_refused(
    change: Callable[[dict[str, bytes]], object], code: str
) -> None:
    made = signed()
    change(made)
    with pytest.raises(errors.DomainError) as refused:
        folder_manifest.verify(made)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"predicateType": "urn:mintmark:folder:v2"}, "unknown_version"),
        ({"predicate": {"version": "2.0", "kind": "skill"}}, "unknown_version"),
        ({"predicateType": "urn:mintmark:prompt-bundle:v1"}, "not_a_folder"),
        ({"_type": "https://in-toto.io/Statement/v0.1"}, "not_a_folder"),
        ({"predicate": {"version": "1.0", "kind": "zip"}}, "not_a_folder"),
        ({"subject": "all"}, "not_a_folder"),
        ({"subject": _subject("a") + _subject("a")}, "not_a_folder"),
        ({"subject": _subject("../a")}, "path_in_name"),
        ({"subject": _subject("/etc/passwd")}, "path_in_name"),
        ({"subject": _subject("a//b")}, "path_in_name"),
        ({"subject": _subject("a\\b")}, "path_in_name"),
        ({"subject": _subject("c:b")}, "path_in_name"),
        ({"subject": _subject("a\u202eb")}, "path_in_name"),
        ({"subject": _subject("MANIFEST.dsse.json")}, "path_in_name"),
        ({"subject": []}, "extra_file"),
        ({"bundle": b"{}"}, "not_an_envelope"),
    ],
)
def test_a_manifest_that_says_what_it_may_not_is_refused(
    changes: dict[str, Any], code: str
) -> None:
    with pytest.raises(errors.DomainError) as refused:
        folder_manifest.verify(signed(**changes))
    assert refused.value.code == code


def test_a_folder_without_its_bundle_is_refused() -> None:
    made = folder_manifest.sign({"a": b"b"}, kind="skill", keys=[KEY])
    with pytest.raises(folder_manifest.InvalidFolder, match=r"no bundle\.json"):
        folder_manifest.verify(made)


def test_any_byte_of_a_manifest_that_is_changed_refuses_the_folder() -> None:
    made = signed()
    manifest = made[folder_manifest.MANIFEST]
    for place in range(len(manifest)):
        changed = bytearray(manifest)
        changed[place] ^= 1
        with pytest.raises(errors.DomainError):
            folder_manifest.verify(made | {folder_manifest.MANIFEST: bytes(changed)})


def test_an_envelope_of_another_payload_type_is_no_manifest() -> None:
    envelope = dsse.sign(payload_type="text/plain", payload=b"{}", keys=[KEY])
    with pytest.raises(signed_files.InvalidSignedFile) as refused:
        folder_manifest.verify(signed() | {folder_manifest.MANIFEST: envelope.to_bytes()})
    assert refused.value.code == "payload_type"
