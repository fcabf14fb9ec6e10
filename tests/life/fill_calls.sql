-- Calls $1 to $2 of twenty tenants, a contact for every tenth, a lead for every eighth, a webhook for each of every second; no triggers.
WITH call AS (
    INSERT INTO public.calls (id, user_id, agent_id, contact_id, started_at, outcome, status, duration_seconds, duration_minutes, cost_micros)
    SELECT md5('call ' || n)::uuid, md5('tenant ' || 1 + n % 20)::uuid, md5('agent ' || n % 40)::uuid, md5('contact ' || n / 10)::uuid,
           timestamptz '2025-01-01Z' + n * interval '6 s', 'answered', 'completed', n % 400, ceil(n % 400 / 60.0), n % 1000
    FROM generate_series($1::integer, $2::integer) n
), contact AS (
    INSERT INTO public.contacts (id, user_id, name, phone_number)
    SELECT md5('contact ' || n / 10)::uuid, md5('tenant ' || 1 + n % 20)::uuid, 'Contact ' || n, '1555' || n
    FROM generate_series($1::integer, $2::integer, 10) n
), lead AS (
    INSERT INTO public.lead_analytics (id, user_id, call_id, total_score, quality, intent_score)
    SELECT md5('lead ' || n)::uuid, md5('tenant ' || 1 + n % 20)::uuid, md5('call ' || n)::uuid, 12, 'hot', 3
    FROM generate_series($1::integer, $2::integer, 8) n
)
INSERT INTO tally.inbox (user_id, provider, endpoint, body_sha256, body)
SELECT md5('tenant ' || 1 + n % 20)::uuid, 'bolna', 'endpoint-1', sha256(n::text::bytea), repeat('x', 400)::bytea
FROM generate_series($1::integer, $2::integer, 2) n
