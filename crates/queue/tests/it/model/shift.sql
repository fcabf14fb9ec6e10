-- Lets the clock jump by $1 seconds as far as the queue can tell: moves all stored times the other way.
WITH step AS (
    SELECT $1::float8 * interval '1 second' AS ahead
), jobs AS (
    UPDATE tally.jobs
    SET run_at = run_at - ahead, created_at = created_at - ahead, claimed_at = claimed_at - ahead,
        deadline_at = deadline_at - ahead, cancel_requested_at = cancel_requested_at - ahead
    FROM step
), keys AS (
    UPDATE tally.job_keys SET expires_at = expires_at - ahead FROM step
)
UPDATE tally.job_leases
SET started_at = started_at - ahead, beat_at = beat_at - ahead, expires_at = expires_at - ahead
FROM step
