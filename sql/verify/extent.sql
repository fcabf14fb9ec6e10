-- Returns the first and the last instant of tenant $1 at which there is a call or a roll-up row; nulls when there is none.
SELECT min(e.first_instant) AS first_instant, max(e.last_instant) AS last_instant
FROM (
    SELECT min(started_at) AS first_instant, max(started_at) AS last_instant FROM public.calls WHERE user_id = $1
    UNION ALL
    SELECT min(bucket_start), max(bucket_start) FROM tally.quarter_rollups WHERE user_id = $1
    UNION ALL
    SELECT min(bucket_start), max(bucket_start) FROM public.user_analytics WHERE user_id = $1
    UNION ALL
    SELECT min(bucket_start), max(bucket_start) FROM public.agent_analytics WHERE user_id = $1
) e
