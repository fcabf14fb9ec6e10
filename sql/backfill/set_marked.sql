-- Notes that a unit's buckets are marked, up to the present end of the sequence; returns its backfill, or nothing when the unit is gone.
-- $1 tenant, $2 backfill, $3 from, $4 calls.
UPDATE tally.backfill_units u
SET state = 'marked', calls_read = $4, wait_tier = 0, wait_seq = s.last_value, not_before = s.at, error = NULL
FROM (SELECT last_value, clock_timestamp() AS at FROM tally.rollup_mark_seq) s
WHERE u.user_id = $1 AND u.backfill_id = $2 AND u.from_time = $3 AND u.state = 'ready'
RETURNING u.backfill_id
