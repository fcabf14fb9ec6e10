-- Returns $5 agents of the tenant $1 after the id $4, each with the sum of its days in [$2, $3) in the tenant's zone $6.
SELECT a.id, a.name, a.bolna_agent_id, a.is_active, a.created_at,
       f.total_calls AS "total_calls!", f.successful_calls AS "successful_calls!", f.voicemail_calls AS "voicemail_calls!",
       f.no_answer_calls AS "no_answer_calls!", f.busy_calls AS "busy_calls!", f.failed_outcome_calls AS "failed_outcome_calls!",
       f.cancelled_calls AS "cancelled_calls!", f.in_progress_calls AS "in_progress_calls!",
       f.total_duration_minutes AS "total_duration_minutes!", f.talk_seconds AS "talk_seconds!",
       f.leads_generated AS "leads_generated!", f.qualified_leads AS "qualified_leads!",
       f.credits_micros AS "credits_micros!", f.cost_micros AS "cost_micros!"
FROM public.agents a
CROSS JOIN LATERAL (
    SELECT coalesce(sum(r.total_calls), 0)::bigint AS total_calls, coalesce(sum(r.successful_calls), 0)::bigint AS successful_calls,
           coalesce(sum(r.voicemail_calls), 0)::bigint AS voicemail_calls, coalesce(sum(r.no_answer_calls), 0)::bigint AS no_answer_calls,
           coalesce(sum(r.busy_calls), 0)::bigint AS busy_calls, coalesce(sum(r.failed_outcome_calls), 0)::bigint AS failed_outcome_calls,
           coalesce(sum(r.cancelled_calls), 0)::bigint AS cancelled_calls, coalesce(sum(r.in_progress_calls), 0)::bigint AS in_progress_calls,
           coalesce(sum(r.total_duration_minutes), 0)::bigint AS total_duration_minutes, coalesce(sum(r.talk_seconds), 0)::bigint AS talk_seconds,
           coalesce(sum(r.leads_generated), 0)::bigint AS leads_generated, coalesce(sum(r.qualified_leads), 0)::bigint AS qualified_leads,
           coalesce(sum(r.credits_micros), 0)::bigint AS credits_micros, coalesce(sum(r.cost_micros), 0)::bigint AS cost_micros
    FROM public.agent_analytics r
    WHERE r.user_id = $1 AND r.agent_id = a.id AND r.grain = 'day' AND r.zone = $6 AND r.bucket_start >= $2 AND r.bucket_start < $3
) f
WHERE a.user_id = $1 AND a.id > $4
ORDER BY a.id
LIMIT $5
