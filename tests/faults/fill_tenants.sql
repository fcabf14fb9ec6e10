-- $1 tenants in six zones, two agents each; the ids follow from the numbers, so that two databases are filled alike.
WITH zones AS (
    SELECT ARRAY['Asia/Kolkata', 'America/New_York', 'UTC', 'Europe/Berlin', 'Asia/Kathmandu', 'America/Santiago'] AS names
), ensured AS MATERIALIZED (
    SELECT count(tally.ensure_zone(n)::text) AS zones FROM zones, unnest(names) n
), tenant AS (
    INSERT INTO public.users (id, email, name, timezone)
    SELECT md5('tenant ' || t)::uuid, 'tenant-' || t || '@example.test', 'Tenant ' || t, names[1 + t % 6]
    FROM zones, ensured, generate_series(1, $1::integer) t
    WHERE ensured.zones > 0
    RETURNING id
)
INSERT INTO public.agents (id, user_id, name, bolna_agent_id)
SELECT md5('agent ' || tenant.id || a)::uuid, tenant.id, 'Agent ' || a, 'agent-' || a
FROM tenant, generate_series(1, 2) a
