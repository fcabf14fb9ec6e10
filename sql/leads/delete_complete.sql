-- Removes the complete analyses of contacts that have no individual one. $1 tenants, $2 contacts.
DELETE FROM public.lead_analytics l
WHERE l.analysis_type = 'complete' AND (l.user_id, l.contact_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
