-- Returns the transactions that are about to write jobs this moment, other than this one.
SELECT DISTINCT virtualtransaction AS "transaction!"
FROM pg_locks
WHERE locktype = 'relation' AND relation = 'tally.jobs'::regclass AND mode = 'RowExclusiveLock' AND pid <> pg_backend_pid()
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY 1
