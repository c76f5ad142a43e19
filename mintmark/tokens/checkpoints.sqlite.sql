-- Transfers and their entries as they are sealed; times are text here (see tokens/checkpoints.py). A plus keeps the
-- driver from making a time of whatever stands there.

-- transfers
SELECT leaf.id, leaf.xid, leaf.key, leaf.digest, leaf.cause, leaf.memo, leaf.actor_id, +leaf.posted_at
FROM tokens_transfer AS leaf

-- entries
SELECT leaf.id, entry.id, entry.account_id, entry.amount_micro, entry.balance_micro
FROM tokens_transfer AS leaf JOIN tokens_entry AS entry ON entry.transfer_id = leaf.id
