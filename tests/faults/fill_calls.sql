-- $2 calls a day for $1 days from 2026-01-01 on for every tenant, a third of them with contacts and a quarter of the answered with leads.
WITH contact AS (
    INSERT INTO public.contacts (id, user_id, name, phone_number)
    SELECT md5('contact ' || u.id || n)::uuid, u.id, 'Contact ' || n, '1555' || n FROM public.users u, generate_series(1000, 1019) n
    RETURNING id
), call AS (
    INSERT INTO public.calls (id, user_id, agent_id, contact_id, started_at, outcome, status, duration_seconds, duration_minutes,
                              credits_micros, cost_micros)
    SELECT md5('call ' || u.id || n)::uuid, u.id, md5('agent ' || u.id || 1 + n % 2)::uuid,
           CASE WHEN n % 3 = 0 AND (SELECT count(*) FROM contact) > 0 THEN md5('contact ' || u.id || 1000 + n % 20)::uuid END,
           timestamptz '2026-01-01 00:00Z' + n * make_interval(secs => 86400.0 / $2::integer) + make_interval(secs => 7 * (n % 11)),
           o.outcome, CASE WHEN n % 4 < 2 THEN 'completed' ELSE 'failed' END, o.seconds, ceil(o.seconds / 60.0),
           ceil(o.seconds / 60.0) * 1000000, n * 137
    FROM public.users u
    CROSS JOIN generate_series(0, $1::integer * $2::integer - 1) n
    CROSS JOIN LATERAL (SELECT (ARRAY['answered', 'voicemail', 'no_answer', 'busy'])[1 + n % 4] AS outcome,
                               CASE WHEN n % 4 < 2 THEN n * 7 % 400 ELSE 0 END AS seconds) o
    RETURNING id, user_id, outcome, cost_micros
)
INSERT INTO public.lead_analytics (id, user_id, call_id, total_score, quality, intent_score)
SELECT md5('lead ' || id)::uuid, user_id, id, 12, 'hot', 3 FROM call WHERE outcome = 'answered' AND cost_micros % 4 = 0
