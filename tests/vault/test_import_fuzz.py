"""Whatever is brought: the importer keeps a refusal or lets it wait, and nothing escapes as anything else."""

import copy
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mintmark.common import errors
from mintmark.registry.models import Prompt
from mintmark.vault import keys
from mintmark.vault.models import BundleImport, PromptMarketplaceVault, PromptProvenance
from tests.bundles import payloads
from tests.factories.market_fixture import Stall

from . import remote_installation

pytestmark = pytest.mark.django_db

BUNDLES = Path(__file__).parents[1] / "bundles"
CASES = 50_000 if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 100
EARLY = datetime(2026, 1, 1, tzinfo=UTC)
# What a higher threshold alone refuses.
ELSEWHERE = {"below_threshold", "below_threshold_with_a_stranger"}

often = settings(
    max_examples=CASES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def gate(stall: Stall) -> Stall:
    """The stall, where the keys of the tests count as they do in the tests of the format."""
    for key, name in (
        (payloads.HOUSE, "house"),
        (payloads.TEAM, "team"),
        (payloads.REVOKED, "revoked"),
    ):
        row = remote_installation.trusted(stall, key=key, name=name)
        if name == "revoked":
            keys.distrust_key(
                caller=stall.as_(stall.admin), key=row, reason="stolen", now=stall.now
            )
    remote_installation.trusted(
        stall, key=payloads.EXPIRED, name="expired", now=EARLY, expires_at=stall.now
    )
    return stall


def family() -> dict[str, Any]:
    """A statement with a bit of everything."""
    royalty = {"ancestor": "north/old@1", "holder": "Ann", "rate_bp": 100}
    event = {
        "kind": "outcome", "score_ppm": 5, "runs": 3, "occurred_at": payloads.MOMENT, "ritual": "r", "assistant": "a",
        "actor": "b",
    }  # fmt: skip
    child = payloads.prompt(
        "north/b@1", text="Two.", parent="north/a@1", derivation="fork", rights="passed_on", events=[event]
    )  # fmt: skip
    late = payloads.prompt("north/c@1", text="Three.", parent="north/z@1", derivation="revision")
    root = payloads.prompt("north/a@1", text="One.", royalties=[royalty])
    return payloads.statement([root, child, late], ancestors=[payloads.ancestor("north/z@1")])


def brought(gate: Stall, raw: bytes) -> BundleImport:
    """What becomes of these bytes; if they wait, an admin tries to take them in. Nothing stays."""
    with transaction.atomic():
        before = (Prompt.objects.count(), PromptMarketplaceVault.objects.count())
        row = remote_installation.received(gate, raw)
        assert before == (Prompt.objects.count(), PromptMarketplaceVault.objects.count())
        if row.state == "refused":
            assert row.code and row.reason and not row.envelope and not row.findings
        else:
            try:
                with transaction.atomic():
                    taken = remote_installation.accepted(
                        gate, row, by=gate.as_(gate.admin), reason="seen", namespace="came"
                    )
                    assert taken.state == "accepted"
                    assert PromptProvenance.objects.filter(vault=taken.vault).exists()
            except errors.DomainError:
                assert before == (Prompt.objects.count(), PromptMarketplaceVault.objects.count())
        transaction.set_rollback(True)
    return row


@pytest.mark.parametrize("name", sorted(path.stem for path in (BUNDLES / "bad").iterdir()))
def test_every_bad_file_is_refused_and_leaves_its_refusal(gate: Stall, name: str) -> None:
    (file,) = (BUNDLES / "bad").glob(f"{name}.*")
    row = brought(gate, file.read_bytes())
    assert (row.state == "waiting") == (name in ELSEWHERE), (row.code, row.findings)


@pytest.mark.parametrize("name", sorted(path.stem for path in (BUNDLES / "good").iterdir()))
def test_every_good_file_waits(gate: Stall, name: str) -> None:
    (file,) = (BUNDLES / "good").glob(f"{name}.*")
    row = brought(gate, file.read_bytes())
    assert (row.state, row.code) == ("waiting", "")


def test_every_single_byte_counts(gate: Stall) -> None:
    raw = payloads.sealed()
    step = 1 if CASES > 1_000 else 37
    for at in range(0, len(raw), step):
        assert brought(gate, raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]).state == "refused"
        assert brought(gate, raw[:at] + raw[at + 1 :]).state == "refused"


@often
@given(
    edits=st.lists(
        st.tuples(st.integers(0, 10_000), st.sampled_from("sid"), st.binary(max_size=3)),
        min_size=1,
        max_size=4,
    )
)
def test_a_file_with_edited_bytes_is_refused(
    gate: Stall, edits: list[tuple[int, str, bytes]]
) -> None:
    original = raw = payloads.sealed()
    for place, how, what in edits:
        at = place % (len(raw) + 1)
        raw = (
            raw[:at] + (b"" if how == "d" else what) + raw[at + (how != "i") * max(1, len(what)) :]
        )
    if raw != original:
        assert brought(gate, raw).state == "refused"


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 2**60)
    | st.floats()
    | TEXT
    | st.sampled_from(["north/a@1", "acme/mint@1", "../x@1", "root", "fork", "1.7", "2.0", "\0", "\u200b", "x" * 500])
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@often
@given(changes=st.lists(st.tuples(st.integers(0, 10_000), VALUES), min_size=1, max_size=3))
def test_whatever_a_trusted_key_signed_is_refused_or_waits(
    gate: Stall, changes: list[tuple[int, Any]]
) -> None:
    told = family()
    for place, value in changes:
        spots = _spots(told)
        holder, key = spots[place % len(spots)]
        if value is None and isinstance(holder, dict):
            del holder[key]
        else:
            holder[key] = copy.deepcopy(value)
    brought(gate, payloads.enveloped(payloads.spelled(told)))


@often
@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_any_text_that_is_well_signed_is_refused_or_waits(gate: Stall, text: str) -> None:
    row = brought(gate, payloads.sealed([payloads.prompt("north/a@1", text=text)]))
    assert row.state == "waiting" or row.code in ("invalid_prompt", "nul_character")


def _spots(value: Any) -> list[tuple[Any, Any]]:
    """Every place of a JSON value that can be written to."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, item in inside:
        found.append((value, key))
        if isinstance(item, dict | list):
            found += _spots(item)
    return found
