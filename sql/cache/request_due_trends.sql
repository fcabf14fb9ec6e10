-- Asks for the trends of active tenants: now, where there are none or where a day before today changed since and the last
-- analysis is the best part of an hour old; else for the tenant's midnight, at which they expire, if that is before the
-- next look. Returns how many.
SELECT count(tally.request_job('analyze_trends', 'tenant', d.id, d.wait)) AS "requests!"
FROM (
    SELECT u.id,
           CASE WHEN c.expires_at IS NULL OR m.moved THEN interval '0' ELSE greatest(c.expires_at - now(), interval '0') END AS wait
    FROM public.users u
    LEFT JOIN public.dashboard_cache c ON c.user_id = u.id AND c.cache_key = 'trends'
    LEFT JOIN LATERAL (
        SELECT count(t.zone) > 0 AND coalesce(sum(b.generation), 0) <> c.generation AS moved
        FROM tally.calendar t
        LEFT JOIN tally.rollup_buckets b ON b.user_id = u.id AND b.tier = 2 AND b.bucket_start < t.bucket_start
        WHERE t.zone = u.timezone AND t.grain = 'day' AND t.bucket_start <= now() AND t.bucket_start > now() - interval '2 days' AND t.bucket_end > now()
          AND c.updated_at <= now() - interval '50 minutes'
    ) m ON true
    WHERE u.is_active AND (c.expires_at IS NULL OR c.expires_at <= now() + interval '15 minutes' OR m.moved)
    ORDER BY u.id
) d
