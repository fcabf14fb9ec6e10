-- Returns the newest 14 local days of tenant $1 with calls, the newest first.
SELECT date AS "date!", total_calls::bigint AS "calls!", successful_calls::bigint AS "successful!", in_progress_calls::bigint AS "in_progress!",
       credits_micros AS "credits_micros!"
FROM public.user_analytics
WHERE user_id = $1 AND grain = 'day'
ORDER BY bucket_start DESC
LIMIT 14
