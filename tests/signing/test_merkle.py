"""Merkle trees: the roots that Certificate Transparency publishes, and proofs that prove one place alone."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintmark.signing import merkle

# The tree of Certificate Transparency's own tests (google/certificate-transparency, merkletree/merkle_tree_test.cc).
RECORDS = [
    bytes.fromhex(record)
    for record in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

some_records = st.lists(st.binary(max_size=8), min_size=1, max_size=40)


def as_the_rfc_defines_it(records: list[bytes]) -> bytes:
    """MTH of RFC 6962 §2.1, word for word."""
    n = len(records)
    if n == 0:
        return hashlib.sha256(b"").digest()
    if n == 1:
        return hashlib.sha256(b"\x00" + records[0]).digest()
    k = 1
    while k * 2 < n:
        k *= 2
    left, right = as_the_rfc_defines_it(records[:k]), as_the_rfc_defines_it(records[k:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def test_the_roots_are_those_of_certificate_transparency() -> None:
    roots = [merkle.compute_root(RECORDS[: n + 1]).hex() for n in range(len(RECORDS))]
    assert roots == ROOTS


def test_the_root_of_nothing_is_the_hash_of_nothing() -> None:
    assert merkle.compute_root([]) == hashlib.sha256(b"").digest()


@pytest.mark.parametrize("n", range(70))
def test_a_root_is_what_the_rfc_defines(n: int) -> None:
    records = [b"%d" % at for at in range(n)]
    assert merkle.compute_root(records) == as_the_rfc_defines_it(records)


def test_a_record_does_not_pass_for_a_subtree() -> None:
    left, right = merkle.hash_leaf(b"a"), merkle.hash_leaf(b"b")
    assert merkle.compute_root([left + right]) != merkle.compute_root([b"a", b"b"])


@given(some_records, st.data())
def test_a_proof_proves_its_record_in_its_place(records: list[bytes], data: st.DataObject) -> None:
    n = data.draw(st.integers(0, len(records) - 1))
    path, root = merkle.build_proof(records, n), merkle.compute_root(records)
    count = len(records)
    assert merkle.verify(record=records[n], n=n, count=count, path=path, root=root)
    assert not merkle.verify(record=records[n] + b"x", n=n, count=count, path=path, root=root)
    assert not merkle.verify(record=records[n], n=count, count=count, path=path, root=root)
    assert not merkle.verify(record=records[n], n=n, count=count, path=[*path, root], root=root)
    for other in range(count):
        if other != n:
            assert not merkle.verify(
                record=records[n], n=other, count=count, path=path, root=root
            ) or (records[other] == records[n])
    for at in range(len(path)):
        torn = [*path[:at], bytes(32), *path[at + 1 :]]
        assert not merkle.verify(record=records[n], n=n, count=count, path=torn, root=root)


@given(some_records, st.data())
def test_whatever_is_done_to_the_records_changes_the_root(
    records: list[bytes], data: st.DataObject
) -> None:
    n = data.draw(st.integers(0, len(records) - 1))
    root = merkle.compute_root(records)
    assert merkle.compute_root([*records[:n], records[n] + b"x", *records[n + 1 :]]) != root
    assert merkle.compute_root(records[:n] + records[n + 1 :]) != root
    assert merkle.compute_root([*records[:n], b"new", *records[n:]]) != root
    if records[n] != records[0]:
        swapped = list(records)
        swapped[0], swapped[n] = swapped[n], swapped[0]
        assert merkle.compute_root(swapped) != root


def test_there_is_no_proof_of_a_record_that_is_not_there() -> None:
    for n in (-1, 2):
        with pytest.raises(IndexError, match="among 2"):
            merkle.build_proof([b"a", b"b"], n)
