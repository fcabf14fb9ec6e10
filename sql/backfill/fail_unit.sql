-- Notes that a unit failed: it is tried again after $5 seconds, or is given up when $6; returns nothing.
-- $1 tenant, $2 backfill, $3 from, $4 what went wrong, $7 attempts to add.
UPDATE tally.backfill_units u
SET state = CASE WHEN $6 THEN 'failed' ELSE 'ready' END, error = $4, attempts = u.attempts + $7,
    not_before = t.at + make_interval(secs => $5), finished_at = CASE WHEN $6 THEN t.at END
FROM (SELECT clock_timestamp() AS at) t
WHERE u.user_id = $1 AND u.backfill_id = $2 AND u.from_time = $3 AND u.state = 'ready'
