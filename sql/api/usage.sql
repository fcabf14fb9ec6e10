-- Returns the days of the tenant $1 in [$2, $3) in its zone $4 with what their calls were charged.
SELECT date, total_calls::bigint AS "total_calls!", total_duration_minutes::bigint AS "total_duration_minutes!", credits_micros, cost_micros
FROM public.user_analytics
WHERE user_id = $1 AND grain = 'day' AND zone = $4 AND bucket_start >= $2 AND bucket_start < $3
ORDER BY bucket_start
