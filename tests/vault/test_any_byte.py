"""Whatever byte of a file is changed, left out or added: it is refused, since a bundle has one spelling."""

from collections.abc import Iterator

import pytest
from django.apps import apps

from mintmark.common import errors
from mintmark.signing import bundles
from mintmark.vault import installation, quarantine
from mintmark.vault.models import BundleImport
from tests.bundles import generate
from tests.factories.market_fixture import Stall

GOOD = generate.good()


def _changed(raw: bytes, at: int) -> Iterator[bytes]:
    """The file with this byte flipped in its lowest bit, in its highest, in case, left out, or doubled."""
    for flip in (0x01, 0x80, 0x20):
        yield raw[:at] + bytes([raw[at] ^ flip]) + raw[at + 1 :]
    yield raw[:at] + raw[at + 1 :]
    yield raw[:at] + raw[at : at + 1] + raw[at:]


def _is_taken(raw: bytes) -> bool:
    try:
        bundles.verify(raw)
    except errors.DomainError:
        return False
    return True


@pytest.mark.parametrize("name", ["small", "family"])
def test_no_byte_can_be_changed(name: str) -> None:
    raw = GOOD[name]
    assert _is_taken(raw)
    taken = [
        (at, changed)
        for at in range(len(raw))
        for changed in _changed(raw, at)
        if changed != raw and _is_taken(changed)
    ]
    assert not taken


def test_nothing_can_be_put_before_or_after_it() -> None:
    raw = GOOD["small"]
    for more in (b" ", b"\n", b"\r\n", b"\0", b"{", b"}", b"\xef\xbb\xbf", raw):
        assert not _is_taken(raw + more)
        assert not _is_taken(more + raw)


def test_a_changed_byte_leaves_the_refusal_and_nothing_else(stall: Stall) -> None:
    installation.get_installation_id()
    before = _rows()
    raw = GOOD["small"]
    for n, at in enumerate(range(0, len(raw), 61), start=1):
        changed = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        row = quarantine.receive_bundle(
            caller=stall.as_(stall.third), team=stall.thirds, raw=changed, now=stall.now
        )
        assert (row.state, row.envelope, row.findings) == (BundleImport.State.REFUSED, "", [])
        assert row.code and row.reason and row.size == len(raw)
        assert BundleImport.objects.count() == n
    assert _rows() == before


def _rows() -> dict[str, int]:
    """How much stands in every table but that of imports."""
    return {
        model._meta.label: model._default_manager.count()
        for model in apps.get_models()
        if model is not BundleImport
    }
