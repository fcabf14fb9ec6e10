-- Returns a page of the calls of tenant $1 that start in [$2, $3), newest first, and where the search for it ended: at most $16 calls
-- are looked at, beginning behind ($14, $15), and at most $17 of them returned. One row with nulls for the call where there is none.
-- Filters, null for any: $4 agent, $5 outcome, $6 direction, $7 source, $8 and $9 seconds of talk from and below, $10 'any' lead,
-- 'qualified' or a quality, $11 weekday from Monday 1 and $12 hour of the wall clock in the zone $13.
WITH looked AS MATERIALIZED (
    SELECT c.user_id, c.id, c.started_at, c.agent_id, c.lead_type, c.call_source, c.phone_number, c.duration_seconds, c.outcome,
           c.credits_micros, c.cost_micros
    FROM public.calls c
    WHERE c.user_id = $1 AND c.started_at >= $2 AND c.started_at < $3 AND ($4::uuid IS NULL OR c.agent_id = $4)
      AND ($14::timestamptz IS NULL OR (c.started_at, c.id) < ($14, $15::uuid))
    ORDER BY c.started_at DESC, c.id DESC
    LIMIT $16
), shown AS (
    SELECT l.*
    FROM looked l
    WHERE ($5::text IS NULL OR l.outcome = $5) AND ($6::text IS NULL OR l.lead_type = $6)
      AND ($7::text IS NULL OR l.call_source = $7)
      AND ($8::integer IS NULL OR l.duration_seconds >= greatest($8, 1)) AND ($9::integer IS NULL OR l.duration_seconds < $9)
      AND ($10::text IS NULL OR EXISTS (
          SELECT FROM public.lead_analytics a
          WHERE a.user_id = l.user_id AND a.call_id = l.id AND a.analysis_type = 'individual'
            AND ($10 = 'any' OR a.quality = $10 OR ($10 = 'qualified' AND a.quality IN ('hot', 'warm')))))
      AND ($11::integer IS NULL OR extract(isodow FROM l.started_at AT TIME ZONE $13::text) = $11)
      AND ($12::integer IS NULL OR extract(hour FROM l.started_at AT TIME ZONE $13::text) = $12)
    ORDER BY l.started_at DESC, l.id DESC
    LIMIT $17
)
SELECT e.looked AS "looked!", e.last_at, e.last_id, s.id AS "id?", s.started_at AS "started_at?", s.agent_id AS "agent_id?",
       g.name AS "agent_name?", s.lead_type, s.call_source AS "call_source?", s.phone_number, s.duration_seconds AS "duration_seconds?",
       s.outcome AS "outcome?", a.total_score, a.quality, s.credits_micros AS "credits_micros?", s.cost_micros AS "cost_micros?"
FROM (
    SELECT (SELECT count(*) FROM looked) AS looked,
           (SELECT l.started_at FROM looked l ORDER BY l.started_at, l.id LIMIT 1) AS last_at,
           (SELECT l.id FROM looked l ORDER BY l.started_at, l.id LIMIT 1) AS last_id
) e
LEFT JOIN shown s ON true
LEFT JOIN public.agents g ON g.user_id = s.user_id AND g.id = s.agent_id
LEFT JOIN public.lead_analytics a ON a.user_id = s.user_id AND a.call_id = s.id AND a.analysis_type = 'individual'
ORDER BY s.started_at DESC, s.id DESC
