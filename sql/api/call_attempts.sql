-- Returns up to $3 dials of the call $2 of the tenant $1.
SELECT attempt, lifecycle, outcome, call_sid, started_at, ended_at, duration_seconds
FROM tally.call_attempts
WHERE user_id = $1 AND call_id = $2
ORDER BY attempt
LIMIT $3
