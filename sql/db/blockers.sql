-- Who holds what the session $1 waits for: pid, program, account, what it does, and for how many seconds its transaction is open.
SELECT a.pid, coalesce(nullif(a.application_name, ''), 'unnamed program') AS program,
    coalesce(a.usename, 'server') AS account, coalesce(a.state, a.backend_type, 'unknown') AS state,
    coalesce(extract(epoch FROM clock_timestamp() - a.xact_start)::float8, 0) AS seconds
FROM unnest(pg_blocking_pids($1)) AS blocking (pid)
    JOIN pg_stat_activity a USING (pid)
GROUP BY 1, 2, 3, 4, 5
ORDER BY 5 DESC, 1
