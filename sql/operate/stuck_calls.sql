-- Returns tenants with calls that began more than two hours ago, within 90 days, and have not ended: how many by age, most first,
-- at most $1. Hours since the last local midnight but one, days before it: the cost does not grow with the calls.
SELECT u.id AS "user_id!", u.name AS "name!", s.recent AS "under_a_day!", s.week AS "under_a_week!", s.older AS "older!"
FROM public.users u
CROSS JOIN LATERAL (
    SELECT date_trunc('day', now() AT TIME ZONE u.timezone - interval '1 day') AT TIME ZONE u.timezone AS hours_from
) m
CROSS JOIN LATERAL (
    SELECT coalesce(sum(a.in_progress_calls) FILTER (WHERE a.grain = 'hour'), 0)::bigint AS recent,
           coalesce(sum(a.in_progress_calls) FILTER (WHERE a.grain = 'day' AND a.bucket_start >= now() - interval '7 days'), 0)::bigint AS week,
           coalesce(sum(a.in_progress_calls) FILTER (WHERE a.grain = 'day' AND a.bucket_start < now() - interval '7 days'), 0)::bigint AS older
    FROM public.user_analytics a
    WHERE a.user_id = u.id AND a.in_progress_calls > 0
      AND (a.grain = 'hour' AND a.bucket_start >= m.hours_from AND a.bucket_end <= now() - interval '2 hours'
           OR a.grain = 'day' AND a.bucket_start >= now() - interval '90 days' AND a.bucket_start < m.hours_from)
) s
WHERE s.recent + s.week + s.older > 0
ORDER BY s.recent + s.week + s.older DESC, u.id
LIMIT $1
