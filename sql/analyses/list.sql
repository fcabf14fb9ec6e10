-- Returns analyses of calls of tenant $1, the newest first. $2 state or null for all, $3 how many.
SELECT a.call_id, c.bolna_execution_id AS execution_id, c.started_at, a.state, a.provider, a.attempts, a.wait_reason,
       nullif(a.not_before, '-infinity') AS not_before, a.error_code, a.error_detail, a.model, a.input_tokens, a.output_tokens,
       a.cost_micros, a.requested_at, a.finished_at
FROM tally.call_analyses a
JOIN public.calls c ON c.user_id = a.user_id AND c.id = a.call_id
WHERE a.user_id = $1 AND ($2::text IS NULL OR a.state = $2) AND ($4::uuid IS NULL OR a.call_id = $4)
ORDER BY a.requested_at DESC, a.call_id
LIMIT $3
