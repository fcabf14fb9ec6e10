-- Returns the first $2 agents of tenant $1 by name, to choose from.
SELECT id, name
FROM public.agents
WHERE user_id = $1
ORDER BY lower(name), id
LIMIT $2
