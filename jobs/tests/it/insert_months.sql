-- Calls of three months, one every three hours or so, of two agents and a dozen contacts; every second answered one has a lead.
WITH agent AS (
    SELECT id, row_number() OVER (ORDER BY bolna_agent_id) - 1 AS n FROM agents WHERE user_id = $1
), contact AS (
    INSERT INTO contacts (user_id, name, phone_number) SELECT $1, 'Contact ' || n, '+1202555' || 1000 + n FROM generate_series(0, 11) n
    RETURNING id, phone_number
), made AS (
    INSERT INTO calls (user_id, agent_id, contact_id, started_at, outcome, status, call_source, lead_type, duration_seconds,
        duration_minutes, credits_micros, cost_micros)
    SELECT $1, a.id, CASE WHEN x.n % 7 > 0 THEN k.id END, timestamptz '2026-01-20 00:00Z' + x.n * interval '181 minutes', o.outcome,
           CASE WHEN o.outcome IN ('answered', 'voicemail') THEN 'completed' WHEN o.outcome IN ('no_answer', 'busy', 'failed') THEN 'failed' ELSE o.outcome END,
           (ARRAY['phone', 'internet', 'unknown'])[1 + x.n % 3], (ARRAY['inbound', 'outbound', NULL])[1 + x.n % 3],
           s.seconds, ceil(s.seconds / 60.0), ceil(s.seconds / 30.0) * 333333, x.n * 137
    FROM generate_series(0, 700) AS x (n)
    JOIN agent a ON a.n = x.n % 2
    JOIN contact k ON k.phone_number = '+1202555' || 1000 + x.n * x.n % 12
    CROSS JOIN LATERAL (SELECT (ARRAY['answered', 'answered', 'voicemail', 'no_answer', 'busy', 'failed', 'cancelled', 'in_progress'])[1 + x.n % 8] AS outcome) o
    CROSS JOIN LATERAL (SELECT CASE WHEN x.n % 8 < 3 THEN 1 + x.n * 37 % 900 ELSE 0 END AS seconds) s
    RETURNING user_id, id, duration_seconds
)
INSERT INTO lead_analytics (user_id, call_id, total_score, quality, intent_score, urgency_score, budget_score, fit_score,
    engagement_score, cta_pricing_clicked, cta_demo_clicked, cta_followup_clicked, cta_sample_clicked, cta_escalated_to_human)
SELECT user_id, id, t.total, CASE WHEN t.total >= 12 THEN 'hot' WHEN t.total >= 9 THEN 'warm' WHEN t.total >= 6 THEN 'cold' ELSE 'unqualified' END,
       1 + t.total % 3, t.total % 4, CASE WHEN t.total % 5 > 0 THEN 1 + t.total % 3 END, 2, nullif(t.total % 3, 0),
       t.total % 2 = 0, t.total % 3 = 0, t.total % 5 = 0, t.total % 7 = 0, t.total % 11 = 0
FROM made CROSS JOIN LATERAL (SELECT 5 + duration_seconds % 11 AS total) t
WHERE duration_seconds % 2 = 1
