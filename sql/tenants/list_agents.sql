-- The tenant's agents, by name.
SELECT id, bolna_agent_id, name, is_active, created_at
FROM public.agents
WHERE user_id = $1
ORDER BY name, id
