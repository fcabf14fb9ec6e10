-- Ends claims of calls of tenant $1; returns the calls whose claim was still the given one.
-- $2 rows as JSON, $3 the present time.
UPDATE tally.call_analyses a SET
    state = r.state, claim = NULL, claimed_until = NULL,
    not_before = coalesce(r.not_before, a.not_before),
    wait_reason = CASE WHEN r.state = 'pending' THEN 'retry' END,
    error_code = r.error_code, error_detail = r.error_detail, model = coalesce(r.model, a.model),
    input_tokens = a.input_tokens + r.input_tokens, output_tokens = a.output_tokens + r.output_tokens,
    cost_micros = a.cost_micros + r.cost_micros,
    finished_at = CASE WHEN r.state <> 'pending' THEN $3::timestamptz END
FROM jsonb_to_recordset($2::jsonb) AS r (
    id uuid, claim bigint, state text, not_before timestamptz, error_code text, error_detail text, model text,
    input_tokens bigint, output_tokens bigint, cost_micros bigint)
WHERE a.user_id = $1 AND a.call_id = r.id AND a.state = 'claimed' AND a.claim = r.claim
RETURNING a.call_id, a.state
