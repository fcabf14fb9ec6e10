-- Buckets of tenants that are not the sum of their agents'.
SELECT concat_ws(' ', u.grain, u.bucket_start, 'of', u.user_id, u.total_calls, 'and of agents', a.calls)
FROM public.user_analytics u
LEFT JOIN (
    SELECT user_id, grain, bucket_start, sum(total_calls) AS calls, sum(talk_seconds) AS seconds, sum(credits_micros) AS credits
    FROM public.agent_analytics GROUP BY user_id, grain, bucket_start
) a USING (user_id, grain, bucket_start)
WHERE (u.total_calls, u.talk_seconds, u.credits_micros) IS DISTINCT FROM (a.calls, a.seconds, a.credits)
