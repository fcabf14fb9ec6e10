-- Gives the call $2 of the tenant $1 events $3 (JSON, in their order), a dial, a transcript $4, an event in quarantine, a number, and the
-- name $4 to its agent and its contact.
WITH the_call AS (
    UPDATE public.calls c
    SET bolna_execution_id = 'exec-of-the-test', phone_number = '+15550199',
        contact_id = (SELECT id FROM public.contacts WHERE user_id = $1 AND name = 'C1')
    WHERE c.user_id = $1 AND c.id = $2
    RETURNING c.*
), of_agent AS (
    UPDATE public.agents a SET name = $4 FROM the_call c WHERE a.user_id = c.user_id AND a.id = c.agent_id
), of_contact AS (
    UPDATE public.contacts k SET name = $4, last_contact_at = now() WHERE k.user_id = $1 AND k.name = 'C1'
), transcript AS (
    INSERT INTO public.transcripts (user_id, call_id, content) VALUES ($1, $2, $4)
), dial AS (
    INSERT INTO tally.call_attempts (user_id, call_id, attempt, lifecycle, outcome, call_sid, duration_seconds)
    VALUES ($1, $2, 0, 'completed', 'answered', 'CA-of-the-test', 7)
), event AS (
    INSERT INTO tally.call_events (user_id, call_id, provider, body_sha256, inbox_id, received_at, facts)
    SELECT $1, $2, 'bolna', sha256(convert_to(e.n::text, 'UTF8')), e.n, (e.event ->> 'received_at')::timestamptz, e.event
    FROM jsonb_array_elements($3::jsonb) WITH ORDINALITY AS e (event, n)
)
INSERT INTO tally.quarantine (user_id, provider, endpoint, reason, body, received_at)
SELECT $1, 'bolna', 'endpoint-of-a-test', reason, convert_to(body, 'UTF8'), now()
FROM (VALUES ('bad_json', '{"id": "exec-of-the-test", "x": }'), ('other_call', '{"id": "exec-of-the-test-2"}')) AS q (reason, body)
