-- Returns the sessions of this database whose transaction is older than $1 seconds, with the command that ends them.
SELECT format('session %s of %s (%s), open for %s s', a.pid, a.usename, a.application_name,
              extract(epoch FROM now() - a.xact_start)::bigint),
       format('psql "$DATABASE_URL" -c ''SELECT pg_terminate_backend(%s)''', a.pid)
FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
  AND a.xact_start < clock_timestamp() - make_interval(secs => $1)
ORDER BY a.xact_start
