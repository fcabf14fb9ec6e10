-- Fills a tenant with calls, the way a platform has them: most in the working hours of the tenant, a third answered, talk time skewed.
-- $1 tenant, $2 calls, $3 first local day, $4 days, $5 zone, $6 first number (so that ids differ between parts).
INSERT INTO public.calls (user_id, id, agent_id, contact_id, started_at, outcome, status, duration_seconds, duration_minutes,
                          credits_micros, cost_micros, lead_type, call_source)
SELECT $1, md5($1::text || n)::uuid, g.ids[1 + n % cardinality(g.ids)], k.ids[1 + (n * 7919) % cardinality(k.ids)],
       ((($3::date + (n % $4)::integer)::timestamp + interval '9 hours' + ((n * 104729) % 36000) * interval '1 second') AT TIME ZONE $5),
       o.outcome, CASE WHEN o.outcome IN ('answered', 'voicemail') THEN 'completed' ELSE 'failed' END,
       s.seconds, ceil(s.seconds / 60.0), ceil(s.seconds / 60.0) * 1000000, s.seconds * 137,
       CASE WHEN n % 5 = 0 THEN 'inbound' ELSE 'outbound' END, CASE WHEN n % 50 = 0 THEN 'internet' ELSE 'phone' END
FROM generate_series($6::bigint, $6 + $2 - 1) n
CROSS JOIN (SELECT array_agg(a.id ORDER BY a.id) AS ids FROM public.agents a WHERE a.user_id = $1) g
CROSS JOIN (SELECT array_agg(c.id ORDER BY c.id) AS ids FROM public.contacts c WHERE c.user_id = $1) k
CROSS JOIN LATERAL (SELECT (ARRAY['answered', 'no_answer', 'voicemail', 'no_answer', 'answered', 'busy', 'answered', 'failed'])[1 + n % 8] AS outcome) o
CROSS JOIN LATERAL (SELECT CASE WHEN o.outcome IN ('answered', 'voicemail') THEN 5 + ((n * 31) % 97) * ((n * 17) % 11) ELSE 0 END AS seconds) s
