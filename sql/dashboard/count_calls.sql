-- Counts the calls of tenant $1 in [$2, $3) that a filter takes, among the newest $14; filters as in calls.sql ($4 to $13).
SELECT count(*) FILTER (
           WHERE ($5::text IS NULL OR l.outcome = $5) AND ($6::text IS NULL OR l.lead_type = $6)
             AND ($7::text IS NULL OR l.call_source = $7)
             AND ($8::integer IS NULL OR l.duration_seconds >= greatest($8, 1)) AND ($9::integer IS NULL OR l.duration_seconds < $9)
             AND ($10::text IS NULL OR EXISTS (
                 SELECT FROM public.lead_analytics a
                 WHERE a.user_id = $1 AND a.call_id = l.id AND a.analysis_type = 'individual'
                   AND ($10 = 'any' OR a.quality = $10 OR ($10 = 'qualified' AND a.quality IN ('hot', 'warm')))))
             AND ($11::integer IS NULL OR extract(isodow FROM l.started_at AT TIME ZONE $13::text) = $11)
             AND ($12::integer IS NULL OR extract(hour FROM l.started_at AT TIME ZONE $13::text) = $12)) AS "count!"
FROM (
    SELECT c.id, c.outcome, c.lead_type, c.call_source, c.duration_seconds, c.started_at
    FROM public.calls c
    WHERE c.user_id = $1 AND c.started_at >= $2 AND c.started_at < $3 AND ($4::uuid IS NULL OR c.agent_id = $4)
    ORDER BY c.started_at DESC
    LIMIT $14
) l
