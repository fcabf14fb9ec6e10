-- Returns the agents that the tenants' own numbers are assigned to, by the number as it was given: the one that is normalised
-- to it, else one that is written like it. $1 tenants, $2 numbers as given, $3 the same in E.164 (empty: not to be told).
SELECT DISTINCT ON (k.user_id, k.given) a.user_id, a.id, k.given AS "given!"
FROM unnest($1::uuid[], $2::text[], $3::text[]) AS k (user_id, given, e164)
JOIN public.phone_numbers n ON n.is_active AND n.assigned_to_user_id = k.user_id
    AND (n.phone_e164 = k.e164 OR n.phone_number IN (k.given, k.e164))
JOIN public.agents a ON a.user_id = n.assigned_to_user_id AND a.id = n.assigned_to_agent_id
ORDER BY k.user_id, k.given, n.phone_e164 = k.e164 DESC NULLS LAST, n.created_at, n.id
