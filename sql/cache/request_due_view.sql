-- Asks for the KPI view (key $1) if a row expires before the next look, for that moment; now, if an active tenant has none
-- or one that is not active still has. Returns how many requests, 0 or 1.
SELECT count(tally.request_job('refresh_kpi_summary', $1, NULL, greatest(d.due_at - now(), interval '0'))) AS "requests!"
FROM (
    SELECT min(CASE WHEN u.is_active AND k.expires_at IS NOT NULL THEN k.expires_at ELSE now() END) AS due_at
    FROM public.users u
    FULL JOIN public.user_kpi_summary k ON k.user_id = u.id
    WHERE k.user_id IS NOT NULL
       OR u.is_active AND EXISTS (
           SELECT FROM tally.calendar c WHERE c.zone = u.timezone AND c.grain = 'day' AND c.bucket_start <= now() AND c.bucket_start > now() - interval '2 days' AND c.bucket_end > now())
) d
WHERE d.due_at <= now() + interval '15 minutes'
