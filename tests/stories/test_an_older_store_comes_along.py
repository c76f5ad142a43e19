"""A store that an older build wrote is migrated; then it holds what it held, to the last bit, and its books hold.

The store and what its build said of it lie in tests/fixtures, whose README says how they were made. What is renamed is
renamed here in `COMMANDS`, and in `tests.stories.figures_process`, which holds every query.
"""

import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from tests.installations import Installation

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
STORE, FIGURES = FIXTURES / "store_0bcc3a2.sqlite3.xz", FIXTURES / "store_0bcc3a2.json"
COMMANDS = {
    "migrate": ("mintmark.cli", "migrate"),
    "is anything to migrate": ("mintmark.cli", "migrate", "--check"),
    "replay and compare": ("mintmark.cli", "replay", "--check", "--json"),
    "check the books": ("mintmark.cli", "audit", "--json"),
    "read the figures": ("tests.stories.figures_process",),
}

# The scores are computed anew by a newer formula, under a policy of its own: the old ones stay in the history.
GROWN = {"policies", "reputations over time", "rows of state"}
# Outcomes of that build were recorded without their provenance, so that they count as mere word.
COMPUTED = {"reputation", "trust"}
LIBRARY = "If nothing else has changed: do exp and log of this machine round otherwise? See tests/fixtures/README.md."


@pytest.fixture
def older(tmp_path: Path) -> Installation:
    """An installation on SQLite, whatever this run is on, with the store as it was written."""
    file = tmp_path / "mintmark.sqlite3"
    file.write_bytes(lzma.decompress(STORE.read_bytes()))
    return Installation(home=tmp_path, url=f"sqlite:///{file}")


def test_an_older_store_comes_along(older: Installation) -> None:
    written: dict[str, Any] = json.loads(FIGURES.read_text(encoding="utf-8"))
    heads = written.pop("heads")
    older.run(*COMMANDS["migrate"])
    older.run(*COMMANDS["is anything to migrate"])

    read = json.loads(older.run(*COMMANDS["read the figures"]))
    assert read.keys() == written.keys()
    for name in GROWN:
        assert read["counts"].pop(name) > written["counts"].pop(name), name
    for name, figures in written.items():
        if name in COMPUTED:
            assert read[name].keys() == figures.keys()
            assert read[name] != figures
        else:
            assert read[name] == figures, name

    try:
        replayed = json.loads(older.run(*COMMANDS["replay and compare"]))
    except AssertionError as differs:
        differs.add_note(LIBRARY)
        raise
    assert replayed["equal"]
    assert replayed["events"] == written["counts"]["events"]
    assert sum(replayed["compared"].values()) > written["counts"]["reputations"]

    # The heads that were printed then are still part of their chains.
    remembered = [part for head in heads for part in ("--head", head)]
    audited = json.loads(older.run(*COMMANDS["check the books"], *remembered))
    assert audited["holds"], [one for one in audited["findings"] if not one["holds"]]
    assert sum(one["checked"] for one in audited["findings"]) > written["counts"]["events"]


def test_the_older_store_holds_some_of_everything() -> None:
    written = json.loads(FIGURES.read_text(encoding="utf-8"))
    assert not [name for name, count in written["counts"].items() if not count]
    for name in ("labels", "lineage", "at work", "runs", "comparisons", "bundles"):
        assert written[name], name
    assert set(written["transfers"]) == {
        "grant", "mint", "gift", "purchase", "release", "refund", "settlement",
    }  # fmt: skip
    assert set(written["warranties"]) == {"open", "kept", "failed"}
    assert set(written["imports"]) == {"waiting", "accepted", "refused"}
    assert written["house"]["escrow"] > 0
    assert sum(written["balances"].values()) + sum(written["house"].values()) == 0
    assert STORE.stat().st_size < 400_000
