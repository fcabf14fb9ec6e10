-- Gives every hundredth of the $2 calls of the tenant $1 its events ($3 facts, one a stage), dial, alias and transcript.
WITH call AS (
    SELECT c.id, c.started_at, c.outcome, c.duration_seconds
    FROM generate_series(0::bigint, $2::bigint - 1, 100) n
    JOIN public.calls c ON c.user_id = $1 AND c.id = md5($1::text || n)::uuid
), event AS (
    INSERT INTO tally.call_events (user_id, call_id, provider, body_sha256, inbox_id, received_at, facts)
    SELECT $1, c.id, 'bolna', sha256(convert_to(c.id::text || f.stage, 'UTF8')), f.stage, c.started_at + make_interval(secs => 30 * f.stage),
           f.facts
    FROM call c CROSS JOIN unnest($3::jsonb[]) WITH ORDINALITY AS f (facts, stage)
), dial AS (
    INSERT INTO tally.call_attempts (user_id, call_id, attempt, lifecycle, outcome, call_sid, started_at, duration_seconds)
    SELECT $1, c.id, 0, 'completed', c.outcome, 'CA' || md5(c.id::text), c.started_at, c.duration_seconds FROM call c
), alias AS (
    INSERT INTO tally.call_aliases (user_id, call_sid, call_id) SELECT $1, 'CA' || md5(c.id::text), c.id FROM call c
)
INSERT INTO public.transcripts (user_id, call_id, content)
SELECT $1, c.id, repeat(E'assistant: Is this a good time?\nuser: yes, go on\n', 20) FROM call c
