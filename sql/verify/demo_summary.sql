-- Returns the figures of the given tenants, all months together. $1 tenants.
SELECT u.id AS "user_id!", u.name, u.timezone, u.currency,
       coalesce(sum(a.total_calls), 0)::bigint AS "calls!", coalesce(sum(a.successful_calls), 0)::bigint AS "answered!",
       coalesce(sum(a.total_duration_minutes), 0)::bigint AS "minutes!", coalesce(sum(a.leads_generated), 0)::bigint AS "leads!",
       coalesce(sum(a.qualified_leads), 0)::bigint AS "qualified!", coalesce(sum(a.credits_micros), 0)::bigint AS "credits_micros!",
       coalesce(sum(a.cost_micros), 0)::bigint AS "cost_micros!"
FROM public.users u
LEFT JOIN public.user_analytics a ON a.user_id = u.id AND a.grain = 'month'
WHERE u.id = ANY($1)
GROUP BY u.id, u.name, u.timezone, u.currency
