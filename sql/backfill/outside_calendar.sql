-- Returns how many calls of tenant $1 lie before or after the calendar of zone $2: no backfill reaches them.
SELECT (SELECT count(*) FROM public.calls c WHERE c.user_id = $1 AND c.started_at < k.first_instant)
     + (SELECT count(*) FROM public.calls c WHERE c.user_id = $1 AND c.started_at >= k.last_instant) AS "calls!"
FROM (SELECT min(bucket_start) AS first_instant, max(bucket_end) AS last_instant FROM tally.calendar WHERE zone = $2 AND grain = 'day') k
