-- Returns units of backfill $1 that failed or wait for another attempt, the newest days first, at most $2.
SELECT user_id, from_time, to_time, state AS "state!", attempts, error
FROM tally.backfill_units
WHERE backfill_id = $1 AND error IS NOT NULL
ORDER BY to_time DESC, user_id
LIMIT $2
