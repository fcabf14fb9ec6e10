-- Returns calls of tenant $1 that provider $2 is to analyse, with what it looks at, locked; at most $3. Those whose process
-- did not end their claim in time are among them.
SELECT a.call_id, a.attempts, a.analyzed_at, c.bolna_execution_id, c.started_at, c.lead_type,
       c.outcome = 'answered' AS "is_answered!", c.bolna_metadata -> 'extracted_data' AS extracted_data,
       c.bolna_metadata -> 'custom_extractions' AS custom_extractions, c.bolna_metadata -> 'agent_extraction' AS agent_extraction,
       (SELECT t.content FROM public.transcripts t WHERE t.user_id = a.user_id AND t.call_id = a.call_id) AS transcript
FROM tally.call_analyses a
JOIN public.calls c ON c.user_id = a.user_id AND c.id = a.call_id
WHERE a.user_id = $1 AND a.provider = $2
  AND ((a.state = 'pending' AND a.not_before <= now()) OR (a.state = 'claimed' AND a.claimed_until <= now()))
ORDER BY a.not_before, a.requested_at, a.call_id
LIMIT $3
FOR UPDATE OF a SKIP LOCKED
