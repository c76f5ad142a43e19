-- What a purchase needs to know of its listings, in one look: a row for each royalty owed (one row without any), by
-- listing, nearest generation first. Royalties were frozen when each fork was made, and those of other installations when
-- a prompt came from there; of one generation, what is owed here comes first.
WITH RECURSIVE lineage (listing_id, prompt_id, generation) AS (
    SELECT id, prompt_id, 0 FROM market_prompttokenlisting WHERE id {these}
    UNION ALL
    SELECT lineage.listing_id, prompt.parent_id, lineage.generation + 1
    FROM lineage JOIN registry_prompt AS prompt ON prompt.id = lineage.prompt_id
    WHERE prompt.parent_id IS NOT NULL AND lineage.generation < 1000
), owed AS (
    SELECT lineage.listing_id, lineage.generation, -1 AS beyond, term.holder_id, term.rate_bp
    FROM lineage JOIN market_royaltyterm AS term ON term.prompt_id = lineage.prompt_id
    UNION ALL
    SELECT lineage.listing_id, lineage.generation, abroad.generation, abroad.holder_id, abroad.rate_bp
    FROM lineage JOIN market_foreignroyalty AS abroad ON abroad.prompt_id = lineage.prompt_id
)
SELECT listing.id, listing.prompt_id, listing.token_cost, listing.seller_id, listing.withdrawn_at,
    listing.max_discount_bp, listing.warranty_days, prompt.team_id, prompt.namespace, prompt.name, prompt.revision,
    owed.holder_id, owed.rate_bp
FROM market_prompttokenlisting AS listing
JOIN registry_prompt AS prompt ON prompt.id = listing.prompt_id
LEFT JOIN owed ON owed.listing_id = listing.id
WHERE listing.id {these}
ORDER BY listing.id, owed.generation, owed.beyond
