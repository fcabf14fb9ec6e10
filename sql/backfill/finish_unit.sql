-- Notes that a unit is done; returns its backfill, or nothing when the unit is gone with its tenant.
-- $1 tenant, $2 backfill, $3 from, $4 calls read, $5 buckets written, $6 buckets discarded, $7 seconds.
UPDATE tally.backfill_units u
SET state = 'done', calls_read = $4, buckets_written = $5, buckets_discarded = $6, work_seconds = $7, error = NULL,
    finished_at = t.at
FROM (SELECT clock_timestamp() AS at) t
WHERE u.user_id = $1 AND u.backfill_id = $2 AND u.from_time = $3 AND u.state = 'ready'
RETURNING u.backfill_id
