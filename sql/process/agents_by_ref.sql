-- Returns the tenants' own agents among the given provider ids. $1 tenants, $2 Bolna agent ids.
SELECT a.user_id, a.id, a.bolna_agent_id
FROM public.agents a
WHERE (a.user_id, a.bolna_agent_id) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))
