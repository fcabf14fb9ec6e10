-- Takes back the analyses of calls that nobody answered. $1 tenants, $2 calls.
DELETE FROM public.lead_analytics l
WHERE l.analysis_type = 'individual' AND (l.user_id, l.call_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
