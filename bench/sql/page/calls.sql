-- Fills a tenant with calls over 90 local days, today the last: most in its working hours, nearly half talked, talk time skewed.
-- $1 tenant, $2 calls, $3 first number, $4 zone, $5 contacts.
INSERT INTO public.calls (user_id, id, agent_id, contact_id, phone_number, started_at, created_at, completed_at, outcome, status,
                          call_lifecycle_status, duration_seconds, duration_minutes, credits_micros, cost_micros, billing_settled,
                          lead_type, call_source, bolna_execution_id, hangup_by, no_answer_dials, busy_dials, failed_dials)
SELECT $1, i.id, md5('agent ' || 1 + r.a % 5 || $1)::uuid, md5($1::text || 'c' || r.a % $5::integer)::uuid,
       '+1202' || lpad((r.a % $5::integer)::text, 7, '0'), s.started_at, s.started_at, s.started_at + make_interval(secs => 20 + t.seconds),
       o.outcome, CASE WHEN o.outcome IN ('answered', 'voicemail') THEN 'completed' ELSE 'failed' END,
       CASE WHEN o.outcome IN ('answered', 'voicemail') THEN 'completed' ELSE replace(o.outcome, '_', '-') END,
       t.seconds, t.minutes, t.minutes * 1000000, t.seconds * 137, true, CASE WHEN r.b % 5 = 0 THEN 'inbound' ELSE 'outbound' END,
       CASE WHEN r.b % 50 = 0 THEN 'internet' ELSE 'phone' END, i.id::text, 'Caller',
       (o.outcome = 'no_answer')::integer, (o.outcome = 'busy')::integer, (o.outcome = 'failed')::integer
FROM generate_series($3::bigint, $3 + $2::bigint - 1) n
CROSS JOIN (
    SELECT (now() AT TIME ZONE $4)::date - 89 AS first_day, (now() AT TIME ZONE $4)::date::timestamp AT TIME ZONE $4 AS midnight
) d
CROSS JOIN LATERAL (SELECT hashint8(n) & 2147483647 AS a, hashint8(n + 7919) & 2147483647 AS b, md5($1::text || n)::uuid AS id) i
CROSS JOIN LATERAL (SELECT i.a, i.b) r
CROSS JOIN LATERAL (
    SELECT CASE WHEN n % 90 = 89 THEN d.midnight + (r.b % 1000) / 1000.0 * (now() - d.midnight)
                ELSE ((d.first_day + (n % 90)::integer)::timestamp + make_interval(secs => 32400 + r.b % 36000)) AT TIME ZONE $4
           END AS started_at
) s
CROSS JOIN LATERAL (
    SELECT (ARRAY['answered', 'no_answer', 'voicemail', 'no_answer', 'answered', 'busy', 'answered', 'failed'])[1 + r.b % 8] AS outcome
) o
CROSS JOIN LATERAL (
    SELECT x AS seconds, ceil(x / 60.0)::integer AS minutes
    FROM (SELECT CASE WHEN o.outcome IN ('answered', 'voicemail') THEN 5 + r.a % 97 * (r.b / 8 % 11) ELSE 0 END AS x) y
) t
