-- Returns the day figures in [$3, $4) of the tenant $1 in its zone $2: its own (no agent) and those of its agents.
SELECT NULL::uuid AS agent_id, r.date AS "date!", r.total_calls::bigint AS "total_calls!",
       r.successful_calls::bigint AS "successful_calls!", r.leads_generated::bigint AS "leads_generated!",
       r.talk_seconds AS "talk_seconds!", r.credits_micros AS "credits_micros!"
FROM public.user_analytics r
WHERE r.user_id = $1 AND r.grain = 'day' AND r.zone = $2 AND r.bucket_start >= $3 AND r.bucket_start < $4
UNION ALL
SELECT r.agent_id, r.date, r.total_calls, r.successful_calls, r.leads_generated, r.talk_seconds, r.credits_micros
FROM public.agent_analytics r
WHERE r.user_id = $1 AND r.grain = 'day' AND r.zone = $2 AND r.bucket_start >= $3 AND r.bucket_start < $4
