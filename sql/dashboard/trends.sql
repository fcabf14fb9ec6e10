-- Returns the trends that are cached for the tenant $1, whether they still hold, and the names of the agents that they name.
SELECT c.cache_data AS "data!", c.expires_at > now() AS "is_current!", now() AS "now!",
       (SELECT jsonb_object_agg(a.id, a.name) FROM public.agents a
        WHERE a.user_id = $1 AND c.cache_data -> 'agentAnomalies' ? a.id::text) AS agent_names
FROM public.dashboard_cache c
WHERE c.user_id = $1 AND c.cache_key = 'trends'
