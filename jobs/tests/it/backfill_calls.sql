-- Calls of tenant $1 every 37 minutes for $3 days from $2 on, by its agents in turn, some with contacts and leads.
WITH contact AS (
    INSERT INTO contacts (user_id, name, phone_number) SELECT $1, 'Contact', '1555' || n FROM generate_series(1000, 1009) n RETURNING id
), call AS (
    INSERT INTO calls (user_id, agent_id, contact_id, started_at, outcome, status, duration_seconds, duration_minutes, credits_micros, cost_micros)
    SELECT $1, a.ids[1 + n % cardinality(a.ids)], CASE WHEN n % 3 > 0 THEN k.ids[1 + n % 10] END,
           $2::timestamptz + n * interval '37 minutes', o.outcome, CASE WHEN n % 4 < 2 THEN 'completed' ELSE 'failed' END,
           o.seconds, ceil(o.seconds / 60.0), ceil(o.seconds / 60.0) * 1000000, n * 137
    FROM generate_series(0, $3::integer * 24 * 60 / 37) n
    CROSS JOIN (SELECT array_agg(id ORDER BY id) AS ids FROM agents WHERE user_id = $1) a
    CROSS JOIN (SELECT array_agg(id) AS ids FROM contact) k
    CROSS JOIN LATERAL (SELECT (ARRAY['answered', 'voicemail', 'no_answer', 'busy'])[1 + n % 4] AS outcome,
                               CASE WHEN n % 4 < 2 THEN n % 300 ELSE 0 END AS seconds) o
    RETURNING user_id, id, outcome, duration_seconds
)
INSERT INTO lead_analytics (user_id, call_id, total_score, quality, intent_score)
SELECT user_id, id, 12, 'hot', 3 FROM call WHERE outcome = 'answered' AND duration_seconds % 3 = 1
