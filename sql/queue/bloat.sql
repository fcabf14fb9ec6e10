-- Returns the live and dead rows of the queue's tables, with the age of the oldest snapshot in this cluster and who holds it.
-- Other accounts' sessions are seen with the rights of pg_read_all_stats only; without them the age is that of our own.
WITH holder AS (
    SELECT coalesce(a.xact_start, a.backend_start) AS since,
        format('session %s of %s (%s)', a.pid, coalesce(a.usename, '?'), coalesce(nullif(a.application_name, ''), '?')) AS who
    FROM pg_stat_activity a
    WHERE a.backend_xmin IS NOT NULL AND a.xact_start IS NOT NULL AND a.pid <> pg_backend_pid()
    UNION ALL
    SELECT p.prepared, format('prepared transaction %s', p.gid) FROM pg_prepared_xacts p WHERE p.database = current_database()
), oldest AS (
    SELECT extract(epoch FROM clock_timestamp() - since)::float8 AS age_seconds, who FROM holder ORDER BY since LIMIT 1
)
SELECT s.relname::text AS "table!", s.n_live_tup AS "live_tuples!", s.n_dead_tup AS "dead_tuples!",
    (SELECT o.age_seconds FROM oldest o) AS oldest_snapshot_seconds, (SELECT o.who FROM oldest o) AS oldest_snapshot_holder
FROM pg_stat_user_tables s
WHERE s.schemaname = 'tally' AND s.relname IN ('jobs', 'job_leases', 'job_permits', 'job_keys', 'dead_jobs', 'schedules')
ORDER BY s.relname
