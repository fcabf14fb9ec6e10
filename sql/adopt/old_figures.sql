-- For a tenant of the old database ($1): what its daily figures add up to, and what its rows come to when they are counted now.
SELECT d.total_calls AS stored_calls, d.successful_calls AS stored_successful, d.leads AS stored_leads,
       d.minutes AS stored_minutes, d.credits AS stored_credits,
       c.total_calls AS counted_calls, c.successful_calls AS counted_successful, l.leads AS counted_leads,
       c.minutes AS counted_minutes, c.credits AS counted_credits, c.without_id
FROM (SELECT coalesce(sum(total_calls), 0)::bigint AS total_calls, coalesce(sum(successful_calls), 0)::bigint AS successful_calls,
             coalesce(sum(leads_generated), 0)::bigint AS leads, coalesce(sum(total_duration_minutes), 0)::bigint AS minutes,
             coalesce(sum(credits_used), 0)::bigint AS credits
      FROM public.agent_analytics WHERE user_id = $1 AND hour IS NULL) d,
     (SELECT count(*) AS total_calls, count(*) FILTER (WHERE status = 'completed') AS successful_calls,
             coalesce(sum(duration_minutes), 0)::bigint AS minutes, coalesce(sum(credits_used), 0)::bigint AS credits,
             count(*) FILTER (WHERE coalesce(bolna_execution_id, '') = '') AS without_id
      FROM public.calls WHERE user_id = $1) c,
     (SELECT count(DISTINCT l.call_id) AS leads
      FROM public.lead_analytics l JOIN public.calls c ON c.id = l.call_id
      WHERE c.user_id = $1 AND coalesce(to_jsonb(l) ->> 'analysis_type', 'individual') = 'individual') l
