-- The same steps as in buy.postgresql.sql, one statement each; `market.purchases` runs them in one transaction.

-- offered_set
SELECT 1 FROM market_promptset WHERE id = ? AND withdrawn_at IS NULL

-- standing
SELECT 1 FROM market_prompttokenlisting
WHERE id = ? AND withdrawn_at IS NULL AND CAST(round(token_cost * 1000000) AS INTEGER) = ?

-- grant
INSERT INTO registry_entitlement (prompt_id, team_id, reason, granted_at) VALUES (?, ?, 'bought', ?)
ON CONFLICT DO NOTHING RETURNING id

-- bought
INSERT INTO market_purchase (
transfer_id, listing_id, prompt_id, prompt_set_id, buyer_id, team_id, price_micro, entitlement_id, bought_at
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id

-- warranted
INSERT INTO market_warranty (purchase_id, escrow, split, ends_at, state, runs) VALUES (?, ?, ?, ?, 'open', 0)

-- mandate
SELECT per_purchase_micro, per_day_micro FROM market_mandate
JOIN registry_assistant ON registry_assistant.id = market_mandate.assistant_id WHERE principal_id = ?

-- spent
SELECT sum(price_micro) FROM market_purchase WHERE buyer_id = ? AND bought_at >= ?
