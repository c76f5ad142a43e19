-- The same steps as in book.postgresql.sql, one statement each; `tokens.book` runs them in one transaction, which on
-- SQLite is the only writer from its BEGIN IMMEDIATE on, and so by the bare driver: others wait for every microsecond.

-- known
SELECT id, digest FROM tokens_transfer WHERE key = ?

-- transfer
INSERT INTO tokens_transfer (key, digest, cause, memo, actor_id, posted_at) VALUES (?, ?, ?, ?, ?, ?) RETURNING id

-- move
UPDATE tokens_account SET balance_micro = balance_micro + ? WHERE id = ? RETURNING balance_micro

-- entry
INSERT INTO tokens_entry (transfer_id, account_id, amount_micro, balance_micro) VALUES (?, ?, ?, ?)
