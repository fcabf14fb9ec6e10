-- What each customer has come to in its life: its calls, and the sums of those that have gone to history.
CREATE VIEW public.customer_figures WITH (security_invoker = true) AS
SELECT m.user_id, m.id AS customer_id, m.contact_id, m.customer_reference_number, m.status, m.conversion_date,
       c.total_calls + coalesce(a.total_calls, 0) AS total_calls,
       c.answered_calls + coalesce(a.answered_calls, 0) AS answered_calls,
       c.talk_seconds + coalesce(a.talk_seconds, 0) AS talk_seconds,
       c.total_minutes + coalesce(a.total_minutes, 0) AS total_minutes,
       c.credits_micros + coalesce(a.credits_micros, 0) AS credits_micros,
       c.cost_micros + coalesce(a.cost_micros, 0) AS cost_micros,
       c.leads + coalesce(a.leads, 0) AS leads,
       least(c.first_call_at, a.first_call_at) AS first_call_at,
       greatest(c.last_call_at, a.last_call_at) AS last_call_at,
       m.last_interaction_date
FROM public.customers m
CROSS JOIN LATERAL (
    SELECT count(*) AS total_calls, count(*) FILTER (WHERE k.outcome = 'answered') AS answered_calls,
           coalesce(sum(k.duration_seconds), 0)::bigint AS talk_seconds, coalesce(sum(k.duration_minutes), 0)::bigint AS total_minutes,
           coalesce(sum(k.credits_micros), 0)::bigint AS credits_micros, coalesce(sum(k.cost_micros), 0)::bigint AS cost_micros,
           count(*) FILTER (WHERE EXISTS (SELECT FROM public.lead_analytics l
                                          WHERE l.user_id = k.user_id AND l.call_id = k.id AND l.analysis_type = 'individual')) AS leads,
           min(k.started_at) AS first_call_at, max(k.started_at) AS last_call_at
    FROM public.calls k
    WHERE k.user_id = m.user_id AND k.contact_id = m.contact_id
) c
LEFT JOIN tally.contact_archive a ON a.user_id = m.user_id AND a.contact_id = m.contact_id;
COMMENT ON VIEW public.customer_figures IS 'Lifetime figures of each customer, live: talk_seconds include voicemail, money is in micro-units, last_interaction_date is last_call_at as kept in customers.';
GRANT SELECT ON public.customer_figures TO tallyline_worker, tallyline_api;
