-- The same steps as in book.postgresql.sql, one statement each; `tokens.book` runs them in one transaction, which on
-- SQLite is the only writer from its BEGIN IMMEDIATE on.

-- known
SELECT id, digest FROM tokens_transfer WHERE key = %s

-- transfer
INSERT INTO tokens_transfer (key, digest, cause, memo, actor_id, posted_at) VALUES (%s, %s, %s, %s, %s, %s) RETURNING id

-- move
UPDATE tokens_account SET balance_micro = balance_micro + %s WHERE id = %s RETURNING balance_micro

-- entry
INSERT INTO tokens_entry (transfer_id, account_id, amount_micro, balance_micro) VALUES (%s, %s, %s, %s)
