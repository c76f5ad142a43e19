"""Seals of the token book: a transfer with its entries is one leaf, and whatever is done to it is named."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, models, transaction

from mintmark.signing import merkle
from mintmark.storage import checkpoints as chains
from mintmark.storage import row_encoding
from mintmark.tokens import book, checkpoints, system_accounts, wallets
from mintmark.tokens.book import Leg, TransferOrder
from mintmark.tokens.models import Account, Entry, TokenCheckpoint, Transfer
from tests import tampering
from tests.factories.cast import NOW, Cast

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.both("the book is posted, sealed and audited with SQL of its own there"),
]


@pytest.fixture
def cast(built_cast: Cast) -> Cast:
    """Two grants, three gifts and a sale in three parts, with ids left out after each; and seals of 2 transfers."""
    cast = built_cast
    seller, buyer = (cast.as_(user).principal for user in (cast.seller, cast.buyer))
    for principal in (seller, buyer):
        wallets.get_or_open(principal=principal, now=NOW)
        tampering.leave_ids_out("tokens_transfer")
    for n in range(3):
        wallets.give(
            caller=cast.as_(cast.buyer), recipient=seller, amount_micro=1_500_000, memo=f"n° {n}",
            idempotency_key=f"{n}", now=NOW,
        )  # fmt: skip
        tampering.leave_ids_out("tokens_transfer")
    treasury = system_accounts.pick_shard(Account.Kind.TREASURY, rng=_First())
    order = TransferOrder(
        idempotency_key="sale",
        request_fingerprint="a sale",
        cause=Transfer.Cause.PURCHASE,
        actor=buyer.pk,
        legs=[Leg(buyer.pk, -100), Leg(seller.pk, 95), Leg(treasury, 5)],
    )
    book.post(order=order, now=NOW + timedelta(microseconds=7))
    checkpoints.create_checkpoints(now=NOW, at_most=2)
    return cast


class _First:
    """Chance that always takes the first."""

    def randrange(self, _: int) -> int:
        return 0


def _ids(model: type[models.Model] = Transfer) -> list[int]:
    return list(model._default_manager.order_by("pk").values_list("pk", flat=True))


def _broken() -> tuple[str, ...]:
    return checkpoints.verify().broken


def test_seals_part_the_book_without_a_gap(cast: Cast) -> None:
    ids = _ids()
    assert list(TokenCheckpoint.objects.order_by("number").values_list("number", "first_id", "last_id", "count")) == [
        (1, ids[0], ids[1], 2), (2, ids[2], ids[3], 2), (3, ids[4], ids[5], 2),
    ]  # fmt: skip
    finding = checkpoints.verify()
    assert finding.holds and finding.checked == 3
    assert checkpoints.create_checkpoints(now=NOW) == []
    assert checkpoints.get_head().number == 3


def test_a_leaf_is_a_transfer_with_its_entries_in_the_order_of_accounts(cast: Cast) -> None:
    records = []
    for t in Transfer.objects.order_by("id")[4:]:
        entries = list(
            t.entries.order_by("account_id").values_list(
                "id", "account_id", "amount_micro", "balance_micro"
            )
        )
        columns = (
            t.pk, t.xid, t.key, bytes(t.digest), t.cause, t.memo, t.actor_id, row_encoding.to_micros(t.posted_at),
        )  # fmt: skip
        records.append(row_encoding.encode((*columns, entries)))
    assert bytes(TokenCheckpoint.objects.get(number=3).root) == merkle.compute_root(records)


def test_a_change_to_any_column_of_a_transfer_is_named(cast: Cast) -> None:
    changes = {
        "memo": "x", "cause": "mint", "key": "x", "digest": bytes(32), "actor_id": 10**9,
        "posted_at": NOW - timedelta(microseconds=1),
    }  # fmt: skip
    places = {"id", "xid"}  # who changes those moves the transfer to another place
    assert changes.keys() | places == {field.column for field in Transfer._meta.concrete_fields}
    for column, value in changes.items():
        with tampering.tried():
            Transfer.objects.filter(pk=_ids()[2]).update(**{column: value})
            (said,) = _broken()
        assert said.startswith("checkpoint 2, rows "), column
        assert "the 2 rows differ from those in the checkpoint: changed since" in said
    assert not _broken()


def test_a_change_to_any_column_of_an_entry_is_named(cast: Cast) -> None:
    entry = Entry.objects.filter(transfer=_ids()[2]).order_by("id")[0]
    for field in Entry._meta.concrete_fields:
        with tampering.tried():
            value = getattr(entry, field.attname) + 10**6
            Entry.objects.filter(pk=entry.pk).update(**{field.column: value})
            (said,) = _broken()
        assert said.startswith("checkpoint 2, rows "), field.column
    assert not _broken()


def test_a_missing_transfer_and_a_missing_entry_are_named(cast: Cast) -> None:
    first, *_, last = _ids()
    with tampering.past_the_triggers():
        Transfer.objects.filter(pk=first)._raw_delete("default")
        Entry.objects.filter(pk=Entry.objects.filter(transfer=last)[0].pk)._raw_delete("default")
    one, three = _broken()
    assert (
        one.startswith("checkpoint 1, rows ") and "1 of the 2 in the checkpoint are missing" in one
    )
    assert three.startswith("checkpoint 3, rows ") and "changed since" in three


def test_a_transfer_slipped_into_a_sealed_range_is_named(cast: Cast) -> None:
    slipped = Transfer.objects.get(pk=_ids()[3])
    slipped.pk, slipped.key = slipped.pk - 1, "slipped in"
    slipped.save(force_insert=True)
    (said,) = _broken()
    assert said.startswith("checkpoint 2, rows ")
    assert "1 more than the 2 in the checkpoint: inserted since" in said


def test_an_entry_slipped_into_a_sealed_transfer_is_named(cast: Cast) -> None:
    slipped = Entry.objects.filter(transfer=_ids()[5])[0]
    slipped.pk = None
    slipped.save(force_insert=True)
    (said,) = _broken()
    assert said.startswith("checkpoint 3, rows ")


def test_a_chain_of_one_book_is_not_that_of_another(cast: Cast) -> None:
    one = TokenCheckpoint.objects.get(number=1)
    assert one.compute_digest(book="tokens") == bytes(one.digest)
    assert one.compute_digest(book="evidence") != bytes(one.digest)


def test_a_remembered_head_outlives_new_seals_and_not_a_rewritten_book(cast: Cast) -> None:
    head = checkpoints.get_head()
    wallets.get_or_open(principal=cast.as_(cast.stranger).principal, now=NOW)
    assert [one.number for one in checkpoints.create_checkpoints(now=NOW)] == [4]
    assert chains.explain_missing_head(checkpoints.CHECKPOINTED_TABLE, head) is None
    with tampering.past_the_triggers():
        TokenCheckpoint.objects.all()._raw_delete("default")
        Transfer.objects.filter(pk=_ids()[0]).update(memo="rewritten")
    checkpoints.create_checkpoints(now=NOW, at_most=2)
    assert not _broken()
    assert "checkpoint 3 now has the digest" in (
        chains.explain_missing_head(checkpoints.CHECKPOINTED_TABLE, head) or ""
    )


def test_the_database_refuses_to_change_or_remove_a_seal(cast: Cast) -> None:
    changes: list[Any] = [
        lambda: TokenCheckpoint.objects.update(count=1),
        lambda: TokenCheckpoint.objects.all()._raw_delete("default"),
    ]
    for change in changes:
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            change()
