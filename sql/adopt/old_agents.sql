-- Agents of a tenant of the old database ($1) by which webhooks name them.
SELECT a.bolna_agent_id::text, a.name::text
FROM public.agents a
WHERE a.user_id = $1 AND a.bolna_agent_id <> ''
ORDER BY a.created_at, a.id
