-- Returns what pages of the tenant $1 are asked for: an agent, a call with events, the contact with most calls, a customer, an event in quarantine.
SELECT (SELECT id FROM public.agents WHERE user_id = $1 ORDER BY name LIMIT 1) AS agent, md5($1::text || 0)::uuid AS call,
       (SELECT contact_id FROM public.calls WHERE user_id = $1 GROUP BY contact_id ORDER BY count(*) DESC, contact_id LIMIT 1) AS contact,
       (SELECT contact_id FROM public.lead_analytics WHERE user_id = $1 AND analysis_type = 'complete' ORDER BY contact_id LIMIT 1) AS lead,
       (SELECT id FROM public.customers WHERE user_id = $1 ORDER BY customer_reference_number LIMIT 1) AS customer,
       (SELECT max(id) FROM tally.quarantine WHERE user_id = $1) AS quarantined
