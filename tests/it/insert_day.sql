-- Writes the day rows of the tenant $1 and its agent $2, $3 days ago: $4 answered of $4 + 200 calls, cost $5.
WITH day AS (
    SELECT u.id AS user_id, c.bucket_start, c.bucket_end, c.zone, c.date, $4::int AS answered, $5::bigint AS cost_micros
    FROM public.users u
    JOIN tally.calendar c ON c.zone = u.timezone AND c.grain = 'day'
    WHERE u.id = $1 AND c.date = (now() AT TIME ZONE u.timezone)::date - $3::int
), of_tenant AS (
    INSERT INTO public.user_analytics (user_id, grain, bucket_start, bucket_end, zone, date, generation, total_calls, successful_calls,
        no_answer_calls, busy_calls, total_duration_minutes, talk_seconds, leads_generated, hot_leads,
        credits_micros, cost_micros, duration_values, duration_counts, contact_ids)
    SELECT user_id, 'day', bucket_start, bucket_end, zone, date, 1, answered + 200, answered, 150, 50, answered * 2,
        answered * 100, 40, 10, answered * 1500000::bigint, cost_micros, '{}', '{}', '{}'
    FROM day
)
INSERT INTO public.agent_analytics (user_id, agent_id, grain, bucket_start, bucket_end, zone, date, generation, total_calls, successful_calls,
        no_answer_calls, busy_calls, total_duration_minutes, talk_seconds, leads_generated, hot_leads,
        credits_micros, cost_micros, duration_values, duration_counts, contact_ids)
SELECT user_id, $2, 'day', bucket_start, bucket_end, zone, date, 1, answered + 200, answered, 150, 50, answered * 2,
    answered * 100, 40, 10, answered * 1500000::bigint, cost_micros, '{}', '{}', '{}'
FROM day
