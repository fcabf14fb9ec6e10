-- Adds the job of a schedule, due in $7 seconds, unless its last one still lives (key $3); returns the id, or no row.
INSERT INTO tally.jobs (kind, queue, coalesce_key, payload, priority, run_at, max_attempts, created_at)
VALUES ($1, $2, $3, $4, $5, now() + $7::float8 * interval '1 second', $6, now())
ON CONFLICT (kind, user_id, coalesce_key) WHERE coalesce_key IS NOT NULL DO NOTHING
RETURNING id
