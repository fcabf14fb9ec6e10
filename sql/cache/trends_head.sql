-- Returns what the trends of the tenant $1 are of: zone, the last $2 complete local days, the bounds of those in time, the
-- first day with a figure, the generation of all complete days, and the midnight at which they are of the day before.
-- No row: no tenant, or its calendar has ended. Read before the rows, so that the rows are of this generation or a later one.
SELECT u.timezone AS zone, today.bucket_end AS expires_at, today.bucket_start AS until, now() AS "now!",
       d.dates AS "dates!", coalesce(d.since, today.bucket_start) AS "since!",
       (SELECT r.date FROM public.user_analytics r
        WHERE r.user_id = u.id AND r.grain = 'day' AND r.zone = u.timezone ORDER BY r.bucket_start LIMIT 1) AS history_start,
       (SELECT coalesce(sum(b.generation), 0)::bigint FROM tally.rollup_buckets b
        WHERE b.user_id = u.id AND b.tier = 2 AND b.bucket_start < today.bucket_start) AS "generation!"
FROM public.users u
JOIN tally.calendar today
  ON today.zone = u.timezone AND today.grain = 'day' AND today.bucket_start <= now() AND today.bucket_start > now() - interval '2 days' AND today.bucket_end > now()
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(k.date ORDER BY k.bucket_start), '{}') AS dates, min(k.bucket_start) AS since
    FROM (
        SELECT c.date, c.bucket_start FROM tally.calendar c
        WHERE c.zone = u.timezone AND c.grain = 'day' AND c.bucket_start < today.bucket_start
        ORDER BY c.bucket_start DESC
        LIMIT $2
    ) k
) d
WHERE u.id = $1
