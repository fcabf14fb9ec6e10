-- Makes a lead of every tenth of the $2 calls of the tenant $1.
INSERT INTO public.lead_analytics (user_id, call_id, total_score, quality, intent_score, urgency_score, budget_score, fit_score,
                                   engagement_score, company_name, lead_status_tag, reasoning, analysis_timestamp)
SELECT $1, md5($1::text || n)::uuid, 3 + 4 * s.q, (ARRAY['unqualified', 'cold', 'warm', 'hot'])[1 + s.q], s.q, s.q, s.q, s.q, s.q,
       'Company ' || s.h % 100, 'Interested', '{"intent": "asked for a price"}', now()
FROM generate_series(0::bigint, $2::bigint - 1, 10) n
CROSS JOIN LATERAL (SELECT h, h % 4 AS q FROM (SELECT hashint8(n) & 2147483647 AS h) x) s
