-- Transfers and their entries as they are sealed (see tokens/checkpoints.py). A time that is none (infinity) is no row's by
-- right: null stands for it.

-- transfers
SELECT leaf.id, leaf.xid, leaf.key, leaf.digest, leaf.cause, leaf.memo, leaf.actor_id,
       CASE WHEN isfinite(leaf.posted_at) THEN (extract(epoch FROM leaf.posted_at) * 1000000)::bigint END
FROM tokens_transfer AS leaf

-- entries
SELECT leaf.id, entry.id, entry.account_id, entry.amount_micro, entry.balance_micro
FROM tokens_transfer AS leaf JOIN tokens_entry AS entry ON entry.transfer_id = leaf.id
