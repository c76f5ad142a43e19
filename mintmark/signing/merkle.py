"""Merkle trees over a list of records: the root, and proofs that a record is under it.

The hashes are those of Certificate Transparency (RFC 6962 §2.1, unchanged in RFC 9162 §2.1), over SHA-256:

    of no records        SHA-256("")
    of a record          SHA-256(0x00 ‖ record)
    of two subtrees      SHA-256(0x01 ‖ left ‖ right)

The two prefixes keep a record from passing for a subtree. n > 1 records are parted after the largest power of two below
n; pairing each level from the left, and handing up an unpaired last node as it is, gives that same tree.
"""

import hashlib
from collections.abc import Iterable, Sequence

_LEAF = b"\x00"
_NODE = b"\x01"
_EMPTY = hashlib.sha256().digest()


def hash_leaf(record: bytes) -> bytes:
    """The hash of a record: 32 bytes, as all hashes here."""
    return hashlib.sha256(_LEAF + record).digest()


def hash_node(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees, from theirs."""
    return hashlib.sha256(_NODE + left + right).digest()


def compute_root(records: Iterable[bytes]) -> bytes:
    """The root over records in their order."""
    level = [hash_leaf(record) for record in records]
    if not level:
        return _EMPTY
    while len(level) > 1:
        level = _hash_level(level)
    return level[0]


def build_proof(records: Sequence[bytes], n: int) -> list[bytes]:
    """The audit path of record `n` (from 0): the sibling hashes on its way to the root, from the leaf up.

    Raises IndexError if there is no such record.
    """
    if not 0 <= n < len(records):
        raise IndexError(f"there is no record {n} among {len(records)}")
    level = [hash_leaf(record) for record in records]
    path = []
    while len(level) > 1:
        sibling = n ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        level = _hash_level(level)
        n >>= 1
    return path


def verify(*, record: bytes, n: int, count: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether `path` proves that `record` is number `n` (from 0) of the `count` under `root` (RFC 9162 §2.1.3.2)."""
    if not 0 <= n < count:
        return False
    index, last, current_hash = n, count - 1, hash_leaf(record)
    for sibling in path:
        if last == 0:
            return False
        if index & 1 or index == last:
            current_hash = hash_node(sibling, current_hash)
            while not index & 1 and index:  # the node had no sibling and moved up unchanged
                index, last = index >> 1, last >> 1
        else:
            current_hash = hash_node(current_hash, sibling)
        index, last = index >> 1, last >> 1
    return last == 0 and current_hash == root


def _hash_level(level: Sequence[bytes]) -> list[bytes]:
    sha256 = hashlib.sha256
    pairs = zip(level[::2], level[1::2], strict=False)
    parents = [sha256(_NODE + left + right).digest() for left, right in pairs]
    if len(level) % 2:
        parents.append(level[-1])
    return parents
