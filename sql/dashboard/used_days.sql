-- Returns what the calls of each local day of tenant $1 were charged, for days that begin in [$2, $3).
SELECT date, total_calls::bigint AS "calls!", credits_micros
FROM public.user_analytics
WHERE user_id = $1 AND grain = 'day' AND bucket_start >= $2 AND bucket_start < $3
  AND zone = (SELECT timezone FROM public.users WHERE id = $1)
ORDER BY bucket_start
