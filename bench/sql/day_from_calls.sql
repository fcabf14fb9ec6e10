-- The peer of `roll_up`: a tenant's day, agents and tenant, from its calls. Returns both.
WITH agents AS MATERIALIZED (SELECT * FROM tally.count_calls($1, $2, $3))
SELECT k.agent_id, k.total_calls, k.duration_values, k.contact_ids FROM agents k
UNION ALL
SELECT NULL, sum(k.total_calls), NULL, NULL FROM agents k
