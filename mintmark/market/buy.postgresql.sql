-- One purchase: of one prompt, or of several together. One call, one transaction.
--
-- Post the transfer (a key that was used for it before answers here); then for each prompt: hold price and parties
-- against the listing as it stands (MM011), grant the entitlement (MM012 if the team has one), and write who bought what;
-- at last, hold the day's spending against the buyer's limit (MM013). The buyer's account is locked by the transfer, so
-- his purchases are counted one after the other.
--
-- Each prompt is locked before its listing is looked at, beside others who buy it: whoever withdraws it waits until the
-- purchase is there to be seen, or this sees that it is gone (docs/adr/0014). The same of the set (MM014), and of an
-- assistant's mandate (MM015). A lock and what is read under it are two statements: the second has a new snapshot.
--
-- `parties` are whom the price goes to, as text: the seller, and after him each `holder:rate` of a royalty, nearest
-- generation first, of one generation those of other installations last. The caller may have read them long ago. `escrows` is null where no warranty was given.
CREATE OR REPLACE FUNCTION market_buy(
    the_key text, the_digest bytea, the_memo text, the_buyer bigint, the_team bigint, the_time timestamptz,
    accounts bigint[], amounts bigint[],
    listings bigint[], prompts bigint[], parties text[], prices bigint[], paid bigint[], the_set bigint,
    day_start timestamptz, day_limit bigint,
    escrows bigint[], splits jsonb[], ends timestamptz[],
    OUT transfer bigint, OUT is_new boolean
) LANGUAGE plpgsql AS $$
DECLARE
    posted record;
    one record;
    ancestor bigint;
    agreed text;
    granted bigint;
    bought bigint;
    spent bigint;
BEGIN
    posted := tokens_post(the_key, the_digest, 'purchase', the_memo, the_buyer, the_time, accounts, amounts);
    transfer := posted.transfer;
    is_new := posted.is_new;
    IF NOT is_new THEN
        RETURN;
    END IF;

    IF the_set IS NOT NULL THEN
        PERFORM FROM market_promptset WHERE id = the_set AND withdrawn_at IS NULL FOR SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the set was withdrawn' USING ERRCODE = 'MM014';
        END IF;
    END IF;

    -- In the order of prompts, so that two purchases for one team never wait for each other in a circle.
    FOR one IN
        SELECT * FROM unnest(listings, prompts, parties, prices, paid, escrows, splits, ends)
        AS asked (listing, prompt, parties, price, paid, escrow, split, ends_at) ORDER BY prompt
    LOOP
        PERFORM FROM registry_prompt WHERE id = one.prompt FOR SHARE;
        SELECT prompt_id, seller_id INTO ancestor, agreed FROM market_prompttokenlisting
        WHERE id = one.listing AND prompt_id = one.prompt AND withdrawn_at IS NULL
        AND token_cost * 1000000 = one.price;
        WHILE ancestor IS NOT NULL LOOP
            SELECT parent_id, agreed || coalesce(' ' || holder_id || ':' || rate_bp, '') || coalesce((
                SELECT string_agg(' ' || abroad.holder_id || ':' || abroad.rate_bp, '' ORDER BY abroad.generation)
                FROM market_foreignroyalty AS abroad WHERE abroad.prompt_id = prompt.id
            ), '') INTO ancestor, agreed
            FROM registry_prompt AS prompt LEFT JOIN market_royaltyterm AS term ON term.prompt_id = prompt.id
            WHERE prompt.id = ancestor;
        END LOOP;
        IF agreed IS DISTINCT FROM one.parties THEN
            RAISE EXCEPTION 'a listing changed' USING ERRCODE = 'MM011';
        END IF;
        INSERT INTO registry_entitlement (prompt_id, team_id, reason, granted_at)
        VALUES (one.prompt, the_team, 'bought', the_time)
        ON CONFLICT DO NOTHING RETURNING id INTO granted;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the team has one of them' USING ERRCODE = 'MM012';
        END IF;
        INSERT INTO market_purchase (
            transfer_id, listing_id, prompt_id, prompt_set_id, buyer_id, team_id, price_micro, entitlement_id, bought_at
        ) VALUES (transfer, one.listing, one.prompt, the_set, the_buyer, the_team, one.paid, granted, the_time)
        RETURNING id INTO bought;
        IF one.escrow IS NOT NULL THEN
            INSERT INTO market_warranty (purchase_id, escrow, split, ends_at, state, runs)
            VALUES (bought, one.escrow, one.split, one.ends_at, 'open', 0);
        END IF;
    END LOOP;

    IF day_limit IS NOT NULL THEN
        PERFORM FROM market_mandate AS mandate JOIN registry_assistant AS assistant ON assistant.id = mandate.assistant_id
        WHERE assistant.principal_id = the_buyer FOR SHARE OF mandate;
        PERFORM FROM market_mandate AS mandate JOIN registry_assistant AS assistant ON assistant.id = mandate.assistant_id
        WHERE assistant.principal_id = the_buyer AND (
            mandate.per_day_micro < day_limit OR mandate.per_purchase_micro < (SELECT sum(price) FROM unnest(paid) AS price)
        );
        IF FOUND THEN
            RAISE EXCEPTION 'the mandate was lowered' USING ERRCODE = 'MM015';
        END IF;
        SELECT sum(price_micro) INTO spent FROM market_purchase WHERE buyer_id = the_buyer AND bought_at >= day_start;
        IF spent > day_limit THEN
            RAISE EXCEPTION 'over the limit of the day' USING ERRCODE = 'MM013';
        END IF;
    END IF;
END $$;
