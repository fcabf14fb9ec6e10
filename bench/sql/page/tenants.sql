-- Makes $1 tenants in four zones with five agents and an endpoint each; the first is to have most calls.
WITH zones AS (
    SELECT ARRAY['Asia/Kolkata', 'America/New_York', 'Europe/Berlin', 'UTC'] AS names
), ensured AS MATERIALIZED (
    SELECT count(tally.ensure_zone(n)::text) AS zones FROM zones, unnest(names) n
), tenant AS (
    INSERT INTO public.users (id, email, name, timezone)
    SELECT md5('page ' || t)::uuid, 'tenant-' || t || '@example.test', 'Tenant ' || lpad(t::text, 4, '0'), z.names[1 + t % 4]
    FROM zones z, ensured, generate_series(1, $1::integer) t
    WHERE ensured.zones > 0
    RETURNING id, email
), emails AS (
    INSERT INTO tally.user_emails (email_lower, user_id) SELECT lower(email), id FROM tenant
), lanes AS (
    INSERT INTO tally.lanes (user_id) SELECT id FROM tenant
), endpoint AS (
    INSERT INTO tally.endpoints (endpoint, user_id, provider, secret_sha256)
    SELECT 'bolna-' || md5(id::text), id, 'bolna', sha256(convert_to(id::text, 'UTF8')) FROM tenant
)
INSERT INTO public.agents (user_id, id, name, bolna_agent_id)
SELECT t.id, md5('agent ' || a || t.id)::uuid, 'Agent ' || a, 'agent-' || a FROM tenant t, generate_series(1, 5) a
