-- The newest transaction that a table names, and the next one of this cluster. Of what runs now, a snapshot sees the
-- reader's own transaction alone.
SELECT max(xid), greatest(pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
       1 + pg_current_xact_id_if_assigned()::text::bigint)
FROM
