"""Every file in tests/bundles/bad, and those too large to lie there: refused with its code, and nothing else kept."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps

from mintmark.signing import dsse
from mintmark.vault import installation, quarantine
from mintmark.vault.models import BundleImport, TrustedKey
from tests.bundles import generate, payloads
from tests.factories.market_fixture import Stall

GOOD = generate.good()
BAD = generate.bad()
LARGE = generate.large()
MOST_MEMORY_KB = 200_000_000 // 1_024

# Runs the command alone; how much memory its process took at most, and what it imported, are told at the end.
_RUN = """
import atexit, json, resource, sys

def told():
    try:
        status = open("/proc/self/status").read()
        peak = int(status.split("VmHWM:")[1].split()[0])
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"peak_kb": peak, "django": "django" in sys.modules}), file=sys.stderr)

atexit.register(told)
from mintmark.cli.vault_verify import verify
verify()
"""


def verified_alone(file: Path, *arguments: str) -> tuple[int, dict[str, Any], dict[str, Any]]:
    """Exit code and answer of `mintmark vault verify --json` in a process of its own, and what that took."""
    keys = [
        part for key in (payloads.HOUSE, payloads.TEAM) for part in ("--key", dsse.get_key_id(key))
    ]
    run = subprocess.run(
        [sys.executable, "-c", _RUN, str(file), *keys, *arguments, "--json"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert run.stdout, run.stderr
    return run.returncode, json.loads(run.stdout), json.loads(run.stderr.splitlines()[-1])


@pytest.fixture
def trusting(stall: Stall) -> Stall:
    """An installation that trusts the keys of the test bundles, as their README says."""
    for root in payloads.roots():
        TrustedKey.objects.create(
            key_id=root.key_id, name=root.name, reason="for the tests", trusted_at=stall.now,
            trusted_by=stall.principal(stall.admin), expires_at=root.expires_at, revoked_at=root.revoked_at,
        )  # fmt: skip
    installation.get_installation_id()
    return stall


def _received(stall: Stall, raw: bytes) -> BundleImport:
    return quarantine.receive_bundle(
        caller=stall.as_(stall.third), team=stall.thirds, raw=raw, now=payloads.NOW
    )


def _rows() -> dict[str, int]:
    """How much stands in every table but that of imports."""
    return {
        model._meta.label: model._default_manager.count()
        for model in apps.get_models()
        if model is not BundleImport
    }


@pytest.mark.parametrize("name", BAD)
def test_an_importer_keeps_of_a_bad_bundle_its_refusal_alone(
    trusting: Stall, settings: Any, name: str
) -> None:
    case = BAD[name]
    settings.VAULT_THRESHOLD = case.threshold
    before = _rows()
    row = _received(trusting, case.raw)
    assert (row.state, row.code) == (BundleImport.State.REFUSED, case.code)
    assert (row.digest, row.size) == (hashlib.sha256(case.raw).hexdigest(), len(case.raw))
    assert (row.envelope, row.findings, row.vault_id) == ("", [], None)
    assert row.reason
    assert _rows() == before


@pytest.mark.parametrize("name", GOOD)
def test_a_good_bundle_waits_for_a_person(trusting: Stall, name: str) -> None:
    raw = GOOD[name]
    row = _received(trusting, raw)
    if name == "receipt":  # bought: its licence lets the text be passed on
        assert row.code == ""
    assert row.state == BundleImport.State.WAITING, row.reason
    assert row.envelope.encode() == raw


def test_hidden_characters_are_found_with_their_places(trusting: Stall) -> None:
    row = _received(trusting, GOOD["hidden_unicode"])
    found = {
        (one["code_point"], one["line"], one["column"])
        for one in row.findings
        if "code_point" in one
    }
    assert found == {(0x202E, 2, 4), (0x200B, 2, 13)}


@pytest.mark.parametrize("name", LARGE)
def test_a_large_bad_bundle_is_refused_in_little_memory(tmp_path: Path, name: str) -> None:
    code, made = LARGE[name]
    file = tmp_path / "bundle.json"
    file.write_bytes(made())
    exit_code, answer, took = verified_alone(file)
    assert (exit_code, answer["error"]["code"]) == (1, code)
    assert took["peak_kb"] < MOST_MEMORY_KB
    assert not took["django"]


def test_an_importer_refuses_the_large_ones_as_well(trusting: Stall) -> None:
    before = _rows()
    for name in (
        "million_prompts",
        "bomb_of_wrong_tags",
        "depth_10_6",
        "bomb_of_one_wide_character",
    ):
        code, made = LARGE[name]
        row = _received(trusting, made())
        assert (row.state, row.code) == (BundleImport.State.REFUSED, code)
    assert _rows() == before


def test_the_small_ones_take_little_memory_too(tmp_path: Path) -> None:
    """All of them in one process: none leaves anything behind."""
    (tmp_path / "run.py").write_text(
        "from mintmark.common import errors\n"
        "from mintmark.signing import bundles\n"
        "from pathlib import Path\n"
        "for file in sorted(Path('tests/bundles/bad').iterdir()) * 20:\n"
        "    try:\n"
        "        bundles.verify(file.read_bytes())\n"
        "    except errors.DomainError:\n"
        "        pass\n"
    )
    run = _RUN.replace("from mintmark.cli.vault_verify import verify\nverify()", "")
    done = subprocess.run(
        [sys.executable, "-c", run + (tmp_path / "run.py").read_text()],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    took = json.loads(done.stderr.splitlines()[-1])
    assert took["peak_kb"] < MOST_MEMORY_KB
    assert not took["django"]


def test_a_made_file_is_as_large_as_it_says() -> None:
    makers: dict[str, Callable[[], bytes]] = {name: made for name, (_, made) in LARGE.items()}
    assert len(makers["million_prompts"]()) > 3_000_000
    assert len(makers["too_large"]()) > 16 << 20
