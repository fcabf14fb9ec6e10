-- Returns how the analysis of the call $2 of tenant $1 stands.
SELECT state, provider, model, attempts, wait_reason, error_code, requested_at, finished_at, cost_micros
FROM tally.call_analyses
WHERE user_id = $1 AND call_id = $2
