-- What the audit reads of the token book. Each is one statement, and so of one moment: tokens move meanwhile.

-- amounts
SELECT amount_micro FROM tokens_entry

-- accounts
SELECT entry.id, entry.account_id, entry.amount_micro, entry.balance_micro, account.id, account.balance_micro,
       account.floor_micro
FROM tokens_entry AS entry LEFT JOIN tokens_account AS account ON account.id = entry.account_id
ORDER BY entry.account_id, entry.id

-- untouched
SELECT account.id, account.balance_micro FROM tokens_account AS account
WHERE NOT EXISTS (SELECT 1 FROM tokens_entry AS entry WHERE entry.account_id = account.id)
ORDER BY account.id

-- transfers
SELECT transfer.id, entry.amount_micro
FROM tokens_transfer AS transfer LEFT JOIN tokens_entry AS entry ON entry.transfer_id = transfer.id
ORDER BY transfer.id

-- orphans
SELECT entry.id, entry.transfer_id FROM tokens_entry AS entry
WHERE NOT EXISTS (SELECT 1 FROM tokens_transfer AS transfer WHERE transfer.id = entry.transfer_id)
ORDER BY entry.id

-- nobodies
SELECT transfer.id, transfer.actor_id FROM tokens_transfer AS transfer
WHERE NOT EXISTS (SELECT 1 FROM accounts_principal AS principal WHERE principal.id = transfer.actor_id)
ORDER BY transfer.id

-- keys
SELECT key, count(*), min(id), max(id) FROM tokens_transfer GROUP BY key HAVING count(*) > 1 ORDER BY min(id)
