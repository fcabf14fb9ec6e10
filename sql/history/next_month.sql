-- Returns of tenant $1 the oldest local month with calls that ended at least $2 whole local months ago: its date and zone,
-- and from where to where its calls are still to go to a file (a tenant that has moved may have frozen a part of it).
SELECT k.date, u.timezone, greatest(k.bucket_start, tally.frozen_before(u.id)) AS from_time, k.bucket_end AS to_time,
       k.bucket_start >= tally.frozen_before(u.id) AS whole
FROM public.users u
CROSS JOIN LATERAL (SELECT min(c.started_at) AS instant FROM public.calls c
                    WHERE c.user_id = u.id AND c.started_at >= tally.frozen_before(u.id)) oldest
CROSS JOIN LATERAL tally.local_bucket(u.timezone, 3, oldest.instant) k
WHERE u.id = $1 AND k.date < date_trunc('month', now() AT TIME ZONE u.timezone) - make_interval(months => $2)
