-- Returns one row of PostgreSQL's figures: the age of this database's oldest transaction, the server's client sessions by
-- state, size, counters of this database, log of the server. What this account may not see of a session counts as other.
SELECT s.oldest_seconds, s.active AS "active!", s.idle AS "idle!", s.idle_in_transaction AS "idle_in_transaction!", s.other AS "other!",
    current_setting('max_connections')::float8 AS "max_sessions!", pg_database_size(current_database())::float8 AS "size_bytes!",
    d.xact_commit AS "committed!", d.xact_rollback AS "rolled_back!", d.blks_hit AS "blocks_cached!", d.blks_read AS "blocks_read!",
    d.deadlocks AS "deadlocks!", d.temp_bytes AS "temp_bytes!", w.wal_bytes::int8 AS "wal_bytes!"
FROM (
    SELECT extract(epoch FROM now() - min(a.xact_start) FILTER (WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()))::float8
               AS oldest_seconds,
        count(*) FILTER (WHERE a.state = 'active') AS active,
        count(*) FILTER (WHERE a.state = 'idle') AS idle,
        count(*) FILTER (WHERE a.state LIKE 'idle in transaction%') AS idle_in_transaction,
        count(*) FILTER (WHERE a.state IS NULL OR a.state NOT IN ('active', 'idle') AND a.state NOT LIKE 'idle in transaction%') AS other
    FROM pg_stat_activity a
    WHERE a.backend_type = 'client backend'
) s, pg_stat_database d, pg_stat_wal w
WHERE d.datname = current_database()
