-- Notes that contacts were folded, and what a provider is to look at: with other input than before it is asked (again), if
-- it has not answered just that already. $1 rows as JSON: user_id, contact_id, input_sha256 in hex or null.
UPDATE tally.contact_analyses a SET
    generation = a.generation + 1,
    input_sha256 = r.input,
    state = CASE
        WHEN r.input IS NULL THEN 'idle'
        WHEN a.result_sha256 = r.input THEN 'succeeded'
        WHEN a.input_sha256 = r.input THEN a.state
        ELSE 'pending' END,
    claim = CASE WHEN a.input_sha256 = r.input AND a.result_sha256 IS DISTINCT FROM r.input THEN a.claim END,
    claimed_until = CASE WHEN a.input_sha256 = r.input AND a.result_sha256 IS DISTINCT FROM r.input THEN a.claimed_until END,
    wait_reason = CASE WHEN a.input_sha256 = r.input AND a.result_sha256 IS DISTINCT FROM r.input THEN a.wait_reason END,
    not_before = CASE WHEN a.input_sha256 = r.input THEN a.not_before ELSE '-infinity' END,
    attempts = CASE WHEN a.input_sha256 = r.input THEN a.attempts ELSE 0 END,
    error_code = CASE WHEN a.input_sha256 = r.input THEN a.error_code END,
    error_detail = CASE WHEN a.input_sha256 = r.input THEN a.error_detail END
FROM (
    SELECT j.user_id, j.contact_id, decode(j.input_sha256, 'hex') AS input
    FROM jsonb_to_recordset($1::jsonb) AS j (user_id uuid, contact_id uuid, input_sha256 text)
) r
WHERE a.user_id = r.user_id AND a.contact_id = r.contact_id
