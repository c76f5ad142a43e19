xid < (
    -- The oldest transaction that runs and may write here, else the next one. A snapshot names what runs in the whole
    -- cluster; what holds a lock in another database can write nothing in this one, and must not hold it up.
    SELECT coalesce(min(running.xid), pg_snapshot_xmax(pg_current_snapshot()))::text::bigint
    FROM pg_snapshot_xip(pg_current_snapshot()) AS running (xid)
    WHERE running.xid::xid::text NOT IN (
        SELECT own.transactionid::text
        FROM pg_locks AS own JOIN pg_locks AS held USING (pid)
        WHERE own.locktype = 'transactionid' AND own.mode = 'ExclusiveLock' AND own.granted
          AND held.granted AND held.database <> 0
          AND held.database <> (SELECT oid FROM pg_database WHERE datname = current_database())
    )
)
