xid < (
    -- The oldest transaction that runs and may write here, else the next one. A snapshot names what runs in the whole
    -- cluster; what is connected to another database can write nothing in this one, and must not hold it up.
    SELECT coalesce(min(running.xid), pg_snapshot_xmax(pg_current_snapshot()))::text::bigint
    FROM pg_snapshot_xip(pg_current_snapshot()) AS running (xid)
    WHERE running.xid::xid::text NOT IN (
        SELECT elsewhere.backend_xid::text
        FROM pg_stat_activity AS elsewhere
        WHERE elsewhere.backend_xid IS NOT NULL
          AND elsewhere.datid <> (SELECT oid FROM pg_database WHERE datname = current_database())
    )
)
