"""`mintmark vault`: bundles out, and files in."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from mintmark.cli import exit_codes
from mintmark.cli.main import main
from mintmark.cli.vault import COMMANDS, vault
from mintmark.registry.models import Prompt
from mintmark.signing import bundles, dsse, folder_manifest
from mintmark.vault import keys
from mintmark.vault.models import BundleImport, PromptMarketplaceVault
from tests.bundles import payloads
from tests.cli.conftest import Call
from tests.factories.market_fixture import SECRET, Stall

pytestmark = pytest.mark.django_db

Answer = Callable[..., Any]
TEXT = "Rank {ticket} by urgency.\nAnswer:"


@pytest.fixture
def stall(built_stall: Stall) -> Stall:
    made = built_stall
    # Commands act now.
    made.now = made.cast.now = datetime.now(UTC)
    return made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A bundle of another installation, signed by its house key."""
    at = tmp_path / "acme.json"
    at.write_bytes(payloads.sealed([payloads.prompt(text=TEXT)]))
    return at


def trusted(stall: Stall) -> None:
    keys.trust_key(
        caller=stall.as_(stall.admin), key_id=dsse.get_key_id(payloads.HOUSE), name="Acme", reason="known",
        now=stall.now,
    )  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_of_a_command_what_the_command_says(name: str) -> None:
    command = vault.get_command(click.Context(vault), name)
    assert command is not None
    assert command.get_short_help_str(limit=200) == COMMANDS[name][1]


def test_an_export_is_a_file_that_verifies_and_the_same_again_is_the_same_bytes(
    stall: Stall, answer: Answer, tmp_path: Path
) -> None:
    out = tmp_path / "mint.json"
    export = ("vault", "export", "acme/mint", "--team", "sellers", "-o", str(out))
    made = answer(*export, "--title", "The mint")
    raw = out.read_bytes()
    assert made["prompts"] == ["acme/mint@1"]
    assert (made["purpose"], made["made_by"], made["bytes"]) == ("export", "console", len(raw))
    opened = bundles.verify(raw)
    assert opened.bundle.prompt_set.title == "The mint"
    assert {signer["key_id"] for signer in made["signed_by"]} == opened.key_ids
    assert {signer["state"] for signer in made["signed_by"]} == {"trusted"}
    again = answer(*export, "--title", "The mint")
    assert (again["id"], out.read_bytes()) == (made["id"], raw)
    key = made["signed_by"][0]["key_id"]
    assert answer("vault", "verify", str(out), "--key", key)["holds"] is True


def test_a_set_is_exported_by_its_name(stall: Stall, answer: Answer, tmp_path: Path) -> None:
    stall.listed()
    stall.market.create_prompt_set(
        caller=stall.as_(stall.cast.seller), team=stall.cast.sellers, name="coins", title="Coins",
        prompts=[stall.prompt], now=stall.now,
    )  # fmt: skip
    made = answer("vault", "export", "coins", "--team", "sellers")
    assert (made["name"], made["file"]) == ("coins", None)
    out = tmp_path / "later.json"
    assert answer("vault", "show", str(made["id"]), "-o", str(out))["digest"] == made["digest"]
    assert bundles.verify(out.read_bytes()).bundle.prompt_set.title == "Coins"


def test_an_export_to_standard_output_is_the_file_and_nothing_else(stall: Stall) -> None:
    export = ["vault", "export", "acme/mint", "--team", "sellers", "-o", "-"]
    result = CliRunner().invoke(main, export)
    assert result.exit_code == exit_codes.DONE
    assert bundles.verify(result.stdout_bytes).bundle.prompts[0].text == SECRET
    assert "Bundle" in result.stderr
    assert CliRunner().invoke(main, [*export, "--json"]).exit_code == exit_codes.BAD_INPUT


@pytest.mark.parametrize("kind", ["skill", "dotprompt"])
def test_a_folder_verifies_as_a_whole(
    stall: Stall, call: Call, answer: Answer, tmp_path: Path, kind: str
) -> None:
    out = tmp_path / "made"
    made = answer(
        "vault", "export", "acme/mint", "--team", "sellers", "-o", str(out), "--folder", kind
    )
    files = {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file()
    }
    assert folder_manifest.verify(files) == {signer["key_id"] for signer in made["signed_by"]}
    key = made["signed_by"][0]["key_id"]
    assert answer("vault", "verify", str(out), "--key", key)["kind"] == "folder"
    again = call("vault", "show", str(made["id"]), "-o", str(out), "--folder", kind)
    assert again.exit_code == exit_codes.BAD_INPUT
    assert "unwritable" in again.stderr


def test_what_can_not_be_told_is_refused_and_named(stall: Stall, call: Call) -> None:
    result = call("vault", "export", "acme/mint", "acme/triage", "--team", "buyers")
    assert result.exit_code == exit_codes.BAD_INPUT
    assert "acme/mint@1" in result.stderr
    assert not PromptMarketplaceVault.objects.exists()
    for wrong in (
        ("a-set", "b-set", "--team", "sellers"),
        ("acme/mint", "--team", "nobody"),
        ("acme/nothing", "--team", "sellers"),
        ("acme/mint", "--team", "sellers", "--folder", "skill"),
        ("acme/mint", "--team", "sellers", "-o", "/nowhere/at/all.json"),
    ):
        assert call("vault", "export", *wrong).exit_code == exit_codes.BAD_INPUT, wrong


def test_a_buyer_s_receipt_is_a_bundle(stall: Stall, call: Call, answer: Answer) -> None:
    bought = stall.bought(stall.listed())
    made = answer("vault", "receipt", str(bought.transfer))
    assert (made["purpose"], made["team"], made["transfer"]) == (
        "receipt",
        "buyers",
        bought.transfer,
    )
    assert answer("vault", "list", "--purpose", "receipt")["bundles"][0]["id"] == made["id"]
    assert answer("vault", "list", "--purpose", "export")["bundles"] == []
    assert "acme/mint@1" in call("vault", "show", str(made["id"])).stdout
    assert call("vault", "receipt", "999999").exit_code == exit_codes.BAD_INPUT


def test_a_file_of_a_known_issuer_is_taken_in_in_one_step(
    stall: Stall, answer: Answer, file: Path
) -> None:
    trusted(stall)
    made = answer(
        "vault", "import", str(file), "--team", "buyers", "--namespace", "abroad", "--accept",
        "--reason", "ordered", "--runs", "5",
    )  # fmt: skip
    assert (made["state"], made["reason"], made["runs"]) == ("accepted", "ordered", 5)
    assert Prompt.objects.get(namespace="abroad").team == stall.cast.buyers
    assert answer("vault", "list", "--purpose", "import")["bundles"][0]["id"] == made["bundle"]


def test_what_somebody_should_look_at_waits_though_it_was_to_be_accepted(
    stall: Stall, call: Call, answer: Answer, file: Path
) -> None:
    bring = ("vault", "import", str(file), "--team", "buyers", "--accept", "--reason", "quick")
    result = call(*bring)
    assert result.exit_code == exit_codes.PROBLEM
    assert "unknown_key" in result.stdout
    (waiting,) = answer("vault", "list")["waiting"]
    assert "findings" in call("vault", "list").stdout
    shown = answer("vault", "show", "--import", str(waiting["id"]), "--texts")
    assert shown["holds"]["needs_admin"] is True
    assert shown["holds"]["signed_by"][0]["state"] == "unknown"
    assert shown["holds"]["prompts"][0]["text"].startswith("Rank {ticket}")
    text = call("vault", "show", "--import", str(waiting["id"]), "--texts").stdout
    assert "| Answer:" in text
    no_reason = call("vault", "accept", str(waiting["id"]))
    assert (no_reason.exit_code, "invalid_reason" in no_reason.stderr) == (
        exit_codes.BAD_INPUT,
        True,
    )
    made = answer(
        "vault", "accept", str(waiting["id"]), "--reason", "telephoned", "--namespace", "abroad"
    )
    assert (made["state"], made["runs"], made["decided_by"]) == ("accepted", 0, "console")


def test_what_a_text_hides_is_made_visible_and_no_terminal_obeys_it(
    stall: Stall, call: Call, tmp_path: Path
) -> None:
    trusted(stall)
    text = "Sort\u200b {ticket}.\r\x1b[2JAll is well."
    at = tmp_path / "odd.json"
    at.write_bytes(payloads.sealed([payloads.prompt(text=text)]))
    shown = call("vault", "import", str(at), "--team", "buyers").stdout
    assert "hidden_unicode" in shown
    number = str(BundleImport.objects.get().pk)
    shown = call("vault", "show", "--import", number, "--texts").stdout
    assert "Sort⟨U+200B⟩ {ticket}.⟨U+000D⟩⟨U+001B⟩[2JAll is well." in shown
    assert not {"\u200b", "\x1b", "\r"} & set(shown)


def test_a_changed_file_is_refused_and_leaves_its_refusal(
    stall: Stall, call: Call, answer: Answer, file: Path
) -> None:
    trusted(stall)
    file.write_bytes(file.read_bytes().replace(b'"sig":"', b'"sig":"A', 1))
    result = call("vault", "import", str(file), "--team", "buyers", "--json")
    assert result.exit_code == exit_codes.PROBLEM
    row = BundleImport.objects.get()
    assert (row.state, row.envelope, row.vault) == ("refused", "", None)
    shown = answer("vault", "show", "--import", str(row.pk))
    assert (shown["state"], shown["code"], shown["holds"]) == ("refused", row.code, None)
    assert row.code in call("vault", "show", "--import", str(row.pk)).stdout


def test_a_file_comes_from_standard_input_too_and_is_refused_with_a_reason(
    stall: Stall, answer: Answer
) -> None:
    trusted(stall)
    made = answer(
        "vault",
        "import",
        "-",
        "--team",
        "buyers",
        input=payloads.sealed([payloads.prompt(text=TEXT)]).decode(),
    )
    assert made["state"] == "waiting"
    refused = answer("vault", "refuse", str(made["id"]), "--reason", "not asked for")
    assert (refused["state"], refused["reason"]) == ("refused", "not asked for")


def test_a_file_that_is_not_there_or_too_large_is_not_read(
    stall: Stall, call: Call, settings: Any, file: Path
) -> None:
    nowhere = call("vault", "import", "/nowhere.json", "--team", "buyers")
    assert (nowhere.exit_code, "unreadable_bundle" in nowhere.stderr) == (
        exit_codes.BAD_INPUT,
        True,
    )
    settings.VAULT_MAX_BYTES = 100
    large = call("vault", "import", str(file), "--team", "buyers")
    assert (large.exit_code, "too_large" in large.stderr) == (exit_codes.BAD_INPUT, True)
    lone = call("vault", "import", str(file), "--team", "buyers", "--runs", "3")
    assert lone.exit_code == exit_codes.BAD_INPUT
    assert not BundleImport.objects.exists()


def test_a_bundle_is_countersigned_by_whoever_vouches(
    stall: Stall, call: Call, answer: Answer, file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "vouched.json"
    vouch = ("vault", "countersign", str(file), "--team", "buyers", "-o", str(out))
    refused = call(*vouch)
    assert (refused.exit_code, "unknown_signer" in refused.stderr) == (exit_codes.BAD_INPUT, True)
    assert not out.exists()
    trusted(stall)
    answer("vault", "keys", "generate", "--team", "buyers")
    made = answer(*vouch)
    assert len(made["signed_by"]) == 3
    assert bundles.verify(out.read_bytes()).bundle == bundles.verify(file.read_bytes()).bundle
    export = answer("vault", "export", "acme/mint", "--team", "sellers")
    again = answer("vault", "countersign", str(export["id"]), "--team", "buyers", "-o", str(out))
    assert {signer["name"] for signer in again["signed_by"]} == {
        "this installation (buyers)",
        "this installation (itself)",
    }
