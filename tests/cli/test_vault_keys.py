"""`mintmark vault keys`, `vault revoke` and `royalties`: keys, what was withdrawn, and what is owed elsewhere."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization

from mintmark.cli import exit_codes
from mintmark.cli.main import main
from mintmark.market import audit
from mintmark.registry.models import Prompt
from mintmark.signing import dsse, revocation_list
from mintmark.tokens.models import Transfer
from mintmark.vault.models import SigningKey, TrustedKey
from tests.bundles import payloads
from tests.cli.conftest import Call
from tests.factories.market_fixture import Stall

pytestmark = pytest.mark.django_db

Answer = Callable[..., Any]
TEXT = "Rank {ticket} by urgency.\nAnswer:"
HOUSE = dsse.get_key_id(payloads.HOUSE)


@pytest.fixture
def stall(built_stall: Stall) -> Stall:
    made = built_stall
    # Commands act now.
    made.now = made.cast.now = datetime.now(UTC)
    return made


def test_a_key_is_made_turned_and_revoked(stall: Stall, call: Call, answer: Answer) -> None:
    assert "No key yet" in call("vault", "keys", "list").stdout
    made = answer(
        "vault", "keys", "generate", "--team", "sellers", "--note", "exports", "--days", "90"
    )
    assert (made["team"], made["note"], made["state"]) == ("sellers", "exports", "signs")
    assert made["made_by"] == "console"
    assert dsse.get_key_id(dsse.read_public_key(made["pem"].encode())) == made["key_id"]
    turned = answer("vault", "keys", "rotate", made["key_id"][:12])
    assert turned["key_id"] != made["key_id"]
    ended = answer("vault", "keys", "revoke", turned["key_id"], "--reason", "it was in a backup")
    assert (ended["state"], ended["revocation_reason"]) == ("revoked", "it was in a backup")
    states = {row["key_id"]: row["state"] for row in answer("vault", "keys", "list")}
    assert states == {made["key_id"]: "retired", turned["key_id"]: "revoked"}
    assert made["key_id"] in call("vault", "keys", "list").stdout
    sealed = SigningKey.objects.get(key_id=made["key_id"]).sealed
    assert sealed is not None and bytes(sealed).hex() not in call("vault", "keys", "list").stdout


def test_a_key_in_a_file_signs_by_its_path(
    stall: Stall, call: Call, answer: Answer, tmp_path: Path
) -> None:
    pem = payloads.TEAM.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    at = tmp_path / "team.pem"
    at.write_bytes(pem)
    made = answer("vault", "keys", "add-file", str(at), "--team", "sellers")
    assert (made["file"], made["key_id"]) == (str(at), dsse.get_key_id(payloads.TEAM))
    exported = answer("vault", "export", "acme/mint", "--team", "sellers")
    assert made["key_id"] in {signer["key_id"] for signer in exported["signed_by"]}
    at.unlink()
    gone = call("vault", "export", "acme/mint", "--team", "sellers", "--name", "again")
    assert (gone.exit_code, "unreadable_key" in gone.stderr) == (exit_codes.BAD_INPUT, True)


def test_a_key_of_others_is_trusted_by_its_digits_or_its_file(
    stall: Stall, call: Call, answer: Answer, tmp_path: Path
) -> None:
    assert "No key of others" in call("vault", "keys", "trusted").stdout
    reason = ("--reason", "compared by telephone")
    made = answer("vault", "keys", "trust", HOUSE.upper(), "--name", "Acme", *reason)
    assert (made["key_id"], made["state"], made["trusted_by"]) == (HOUSE, "trusted", "console")
    at = tmp_path / "team.pub"
    at.write_text(dsse.export_pem(dsse.get_key_id(payloads.TEAM)))
    assert answer("vault", "keys", "trust", str(at), "--name", "Acme, team", *reason)
    again = call("vault", "keys", "trust", HOUSE, "--name", "Acme", *reason)
    assert (again.exit_code, "signing_key_known" in again.stderr) == (exit_codes.BAD_INPUT, True)
    ended = answer("vault", "keys", "distrust", HOUSE[:10], "--reason", "they lost it")
    assert (ended["state"], ended["revocation_reason"]) == ("revoked", "they lost it")
    assert [row["state"] for row in answer("vault", "keys", "trusted")] == ["trusted", "revoked"]
    at.write_text("no key")
    assert (
        "not_a_signing_key"
        in call("vault", "keys", "trust", str(at), "--name", "x", *reason).stderr
    )


@pytest.mark.parametrize("key", ["", "abc", "0" * 64, "zzzzzzzz"])
def test_no_key_begins_so(stall: Stall, call: Call, key: str) -> None:
    for command in (
        ("rotate", key),
        ("revoke", key, "--reason", "x"),
        ("distrust", key, "--reason", "x"),
    ):
        result = call("vault", "keys", *command)
        assert (result.exit_code, "not_found" in result.stderr) == (exit_codes.BAD_INPUT, True)


def test_what_was_told_and_withdrawn_is_on_the_list_and_the_same_list_is_the_same_bytes(
    stall: Stall, answer: Answer, tmp_path: Path
) -> None:
    answer("vault", "export", "acme/mint", "--team", "sellers")
    answer("market", "withdraw-permanently", "acme/mint@1", "--reason", "it leaks", "--yes")
    at = tmp_path / "withdrawn.json"
    made = answer("vault", "revoke", "issue", "-o", str(at))
    assert (made["sequence"], made["revoked"][0]["reason"]) == (1, "it leaks")
    printed = CliRunner().invoke(main, ["vault", "revoke", "issue"])
    assert printed.stdout_bytes == at.read_bytes()
    assert revocation_list.verify(at.read_bytes()).revocations.revoked[0].name == "acme/mint@1"


def test_what_others_withdrew_acts_at_once(
    stall: Stall, call: Call, answer: Answer, tmp_path: Path
) -> None:
    taken_in(answer, tmp_path)
    at = tmp_path / "withdrawn.json"
    told = payloads.prompt(text=TEXT)
    listed = revocation_list.build_list(
        issuer=revocation_list.RevocationIssuer(installation=payloads.INSTALLATION, name="Acme"),
        revoked=[
            revocation_list.RevokedPrompt(
                digest=told["digest"], name=told["name"], reason="it leaks", at=payloads.MOMENT
            )
        ],
        revoked_keys=[revocation_list.RevokedKey(key_id=HOUSE, reason="lost", at=payloads.MOMENT)],
    )
    at.write_bytes(revocation_list.sign(listed, keys=[payloads.HOUSE]).to_bytes())
    made = answer("vault", "revoke", "take", str(at))
    assert (made["sequence"], made["applied"], made["withdrawn"]) == (2, 1, ["abroad/triage@1"])
    assert "it leaks" in Prompt.objects.get(namespace="abroad").tombstone.reason
    assert TrustedKey.objects.get().revoked_at is not None
    at.write_bytes(at.read_bytes()[:-1])
    assert call("vault", "revoke", "take", str(at)).exit_code == exit_codes.BAD_INPUT


def test_what_is_owed_abroad_is_listed_and_paid_once(
    stall: Stall, call: Call, answer: Answer, tmp_path: Path
) -> None:
    assert answer("royalties", "owed") == []
    assert "Nothing is owed" in call("royalties", "owed").stdout
    taken_in(
        answer,
        tmp_path,
        royalties=[{"ancestor": "acme/old@1", "holder": "Ines", "rate_bp": 1_000}],
    )
    prompt = Prompt.objects.get(namespace="abroad")
    stall.bought(stall.listed(prompt, by=stall.cast.buyer, cost="10"), by=stall.third)
    (debt,) = answer("royalties", "owed")
    assert (debt["holder"], debt["tokens"]) == ("Ines", "0.95")
    assert "Ines" in call("royalties", "owed").stdout
    pay = (
        "royalties",
        "pay",
        str(debt["id"]),
        "0.5",
        "--reason",
        "bank transfer 7",
        "--key",
        "seven",
    )
    paid, again = answer(*pay), answer(*pay)
    assert (paid["paid"], paid["owed"]) == (True, "0.45")
    assert (again["paid"], again["transfer"]) == (False, paid["transfer"])
    assert Transfer.objects.get(pk=paid["transfer"]).memo == "bank transfer 7"
    much = call("royalties", "pay", paid["holder"], "5", "--reason", "too much")
    assert (much.exit_code, "insufficient_funds" in much.stderr) == (exit_codes.BAD_INPUT, True)
    by = call("royalties", "pay", str(debt["id"]), "0.1", "--reason", "mine", "--by", "seller")
    assert (by.exit_code, "treasurer" in by.stderr) == (exit_codes.BAD_INPUT, True)
    assert "nobody of another" in call("royalties", "pay", "seller", "1", "--reason", "x").stderr
    assert all(finding.holds for finding in audit.audit())


def taken_in(answer: Answer, folder: Path, **changes: Any) -> None:
    """A bundle of Acme, which is trusted, for the team buyers, under the namespace abroad."""
    answer("vault", "keys", "trust", HOUSE, "--name", "Acme", "--reason", "known")
    at = folder / "acme.json"
    at.write_bytes(payloads.sealed([payloads.prompt(text=TEXT, **changes)]))
    bring = ("vault", "import", str(at), "--team", "buyers", "--namespace", "abroad", "--accept")
    assert answer(*bring)["state"] == "accepted"
