-- The transaction that wrote a row, so that the log can be read in an order in which nothing appears later
-- before what was read already (see evidence/log.py).
ALTER TABLE evidence_event ALTER COLUMN xid SET DEFAULT (pg_current_xact_id()::text::bigint)
