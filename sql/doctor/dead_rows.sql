-- Returns the tables of queue, inbox and marks with more than $1 dead rows, with the command that removes them.
SELECT format('tally.%s has %s dead rows', s.relname, s.n_dead_tup),
       format('psql "$DATABASE_URL" -c ''VACUUM (VERBOSE) tally.%I''', s.relname)
FROM pg_stat_user_tables s
WHERE s.schemaname = 'tally' AND s.n_dead_tup > $1
  AND s.relname IN ('jobs', 'job_keys', 'job_leases', 'job_permits', 'inbox_pending', 'rollup_marks', 'lead_marks', 'lanes')
ORDER BY s.n_dead_tup DESC
