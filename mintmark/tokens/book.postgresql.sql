-- One balanced transfer: all of its legs, once for each key.
--
-- Returns the transfer and whether it is new. A key that was used before with the same digest answers as it did then;
-- with another one it is refused (MM001). There is one leg for each account (see `book.moves`), and accounts are locked
-- in the order of their ids, so that two transfers never wait for each other in a circle. A balance that would fall
-- under its floor breaks the account's CHECK, and nothing of the transfer is left, the key included.
--
-- One UPDATE moves all balances, for what a statement costs by itself is a multiple of what a row does. Statements are
-- planned once a session and not for the arrays of every call, and accounts found by their ids, however few there are
-- when that is.
CREATE OR REPLACE FUNCTION tokens_post(
    the_key text, the_digest bytea, the_cause text, the_memo text, the_actor bigint, the_time timestamptz,
    accounts bigint[], amounts bigint[], OUT transfer bigint, OUT is_new boolean
) LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    known bytea;
    entered integer;
    missing bigint;
BEGIN
    INSERT INTO tokens_transfer (key, digest, cause, memo, actor_id, posted_at)
    VALUES (the_key, the_digest, the_cause, the_memo, the_actor, the_time)
    ON CONFLICT (key) DO NOTHING RETURNING id INTO transfer;
    is_new := transfer IS NOT NULL;
    IF NOT is_new THEN
        SELECT id, digest INTO transfer, known FROM tokens_transfer WHERE key = the_key;
        IF known <> the_digest THEN
            RAISE EXCEPTION 'this key was used for another transfer' USING ERRCODE = 'MM001';
        END IF;
        RETURN;
    END IF;
    IF (SELECT sum(amount) FROM unnest(amounts) AS amount) <> 0 THEN
        RAISE EXCEPTION 'the legs do not sum to 0' USING ERRCODE = 'MM002';
    END IF;

    PERFORM FROM tokens_account WHERE id = ANY (accounts) ORDER BY id FOR NO KEY UPDATE;
    WITH moved AS (
        UPDATE tokens_account SET balance_micro = balance_micro + amount
        FROM unnest(accounts, amounts) AS leg (account, amount) WHERE id = account
        RETURNING id, amount, balance_micro
    )
    INSERT INTO tokens_entry (transfer_id, account_id, amount_micro, balance_micro)
    SELECT transfer, id, amount, balance_micro FROM moved ORDER BY id;
    GET DIAGNOSTICS entered = ROW_COUNT;
    IF entered < cardinality(accounts) THEN
        SELECT account INTO missing FROM unnest(accounts) AS account
        WHERE NOT EXISTS (SELECT FROM tokens_account WHERE id = account) LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'there is no account %', missing USING ERRCODE = 'MM003';
        END IF;
        RAISE EXCEPTION 'an account has several legs' USING ERRCODE = 'MM002';
    END IF;
END $$;

-- The transaction that wrote a transfer, so that the book can be read in an order in which nothing appears later
-- before what was read already.
ALTER TABLE tokens_transfer ALTER COLUMN xid SET DEFAULT (pg_current_xact_id()::text::bigint);
