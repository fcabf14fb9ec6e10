-- What the months of a tenant ($1) add up to, and how many of its events are in quarantine.
SELECT coalesce(sum(m.total_calls), 0)::bigint AS "calls!", coalesce(sum(m.successful_calls), 0)::bigint AS "successful!",
       coalesce(sum(m.leads_generated), 0)::bigint AS "leads!", coalesce(sum(m.total_duration_minutes), 0)::bigint AS "minutes!",
       coalesce(sum(m.credits_micros), 0)::bigint AS "credits_micros!",
       (SELECT count(*) FROM tally.quarantine q WHERE q.user_id = $1 AND q.endpoint = 'adopt') AS "quarantined!"
FROM public.user_analytics m
JOIN public.users u ON u.id = m.user_id
WHERE m.user_id = $1 AND m.grain = 'month' AND m.zone = u.timezone
