"""Whose signatures count."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintmark.common import errors
from mintmark.signing import key_policy
from mintmark.signing.key_policy import SignerVerdict, TrustRoot

NOW = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def _root(
    name: str, *, expires: datetime | None = None, revoked: datetime | None = None
) -> TrustRoot:
    return TrustRoot(key_id=name * 64, name=name, expires_at=expires, revoked_at=revoked)


ROOTS = [
    _root("a"),
    _root("b"),
    _root("e", expires=NOW),
    _root("f", expires=NOW + DAY),
    _root("d", revoked=NOW - DAY),
]


def _judged(signed: str, *, threshold: int = 1) -> SignerVerdict:
    return key_policy.evaluate_signers(
        key_ids=[name * 64 for name in signed], roots=ROOTS, threshold=threshold, now=NOW
    )


def test_a_trusted_key_makes_it_known_and_others_are_named() -> None:
    verdict = _judged("a0")
    assert verdict.is_known
    assert [root.name for root in verdict.trusted] == ["a"]
    assert verdict.unknown == ("0" * 64,)


def test_nobody_who_is_trusted_is_no_refusal() -> None:
    assert not _judged("01").is_known
    assert not _judged("01", threshold=2).is_known


@pytest.mark.parametrize(
    ("signed", "threshold", "code"),
    [
        ("d", 1, "signing_key_revoked"),
        ("ad", 1, "signing_key_revoked"),
        ("abfd", 3, "signing_key_revoked"),
        ("ed", 1, "signing_key_revoked"),
        ("e", 1, "signing_key_expired"),
        ("e0", 1, "signing_key_expired"),
        ("ae", 2, "signing_key_expired"),
        ("a", 2, "below_threshold"),
        ("a0", 2, "below_threshold"),
        ("abf", 4, "below_threshold"),
    ],
)
def test_what_is_worth_too_little_is_refused(signed: str, threshold: int, code: str) -> None:
    with pytest.raises(errors.DomainError) as refused:
        _judged(signed, threshold=threshold)
    assert refused.value.code == code


def test_an_expired_key_beside_enough_good_ones_takes_nothing_away() -> None:
    assert [root.name for root in _judged("abe", threshold=2).trusted] == ["a", "b"]
    assert [root.name for root in _judged("fe").trusted] == ["f"]


@given(st.sets(st.sampled_from("abefd01")), st.integers(1, 4))
def test_enough_trusted_keys_are_accepted_and_nothing_else_is(
    signed: set[str], threshold: int
) -> None:
    trusted = signed & set("abf")
    try:
        verdict = _judged("".join(sorted(signed)), threshold=threshold)
    except errors.DomainError:
        assert "d" in signed or (len(trusted) < threshold and signed & set("abfe"))
    else:
        assert "d" not in signed
        assert {root.name for root in verdict.trusted} == trusted
        assert len(trusted) >= threshold or not signed & set("abfe")
