-- Returns the agents that the given numbers are assigned to. $1 tenants, $2 numbers.
SELECT a.user_id, a.id, n.phone_number
FROM public.phone_numbers n
JOIN public.agents a ON a.user_id = n.assigned_to_user_id AND a.id = n.assigned_to_agent_id
WHERE n.is_active AND (a.user_id, n.phone_number) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))
