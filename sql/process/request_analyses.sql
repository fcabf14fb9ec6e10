-- Asks for analyses of calls. What is analysed already, or being analysed, is left alone; with other input, or by another
-- provider, it is done again, and its result is later than any before. The rows are locked either way.
-- $1 rows as JSON: user_id, call_id, provider, input_sha256 in hex, analyzed_at.
INSERT INTO tally.call_analyses AS a (user_id, call_id, provider, input_sha256, analyzed_at)
SELECT r.user_id, r.call_id, r.provider, decode(r.input_sha256, 'hex'), r.analyzed_at
FROM jsonb_to_recordset($1::jsonb) AS r (user_id uuid, call_id uuid, provider text, input_sha256 text, analyzed_at timestamptz)
ORDER BY r.user_id, r.call_id
ON CONFLICT (user_id, call_id) DO UPDATE SET
    state = 'pending', provider = EXCLUDED.provider, input_sha256 = EXCLUDED.input_sha256,
    analyzed_at = greatest(EXCLUDED.analyzed_at, a.analyzed_at + interval '1 millisecond'),
    attempts = 0, not_before = '-infinity', wait_reason = NULL, claim = NULL, claimed_until = NULL, error_code = NULL,
    error_detail = NULL, model = NULL, input_tokens = 0, output_tokens = 0, cost_micros = 0,
    requested_at = EXCLUDED.requested_at, finished_at = NULL
WHERE (a.provider, a.input_sha256) IS DISTINCT FROM (EXCLUDED.provider, EXCLUDED.input_sha256)
   OR (a.state = 'skipped' AND a.error_code = 'not_answered')
