-- Writes day rows of the tenant $1 for its last $2 local days with today, $3 answered calls each.
INSERT INTO public.user_analytics (user_id, grain, bucket_start, bucket_end, zone, date, generation, total_calls, successful_calls,
    duration_values, duration_counts, contact_ids)
SELECT u.id, 'day', k.bucket_start, k.bucket_end, k.zone, k.date, 1, $3::int, $3::int, '{}', '{}', '{}'
FROM public.users u
CROSS JOIN LATERAL (
    SELECT c.* FROM tally.calendar c
    WHERE c.zone = u.timezone AND c.grain = 'day' AND c.bucket_start <= now()
    ORDER BY c.bucket_start DESC
    LIMIT $2
) k
WHERE u.id = $1
