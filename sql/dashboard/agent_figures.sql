-- Returns the figures of the agent $6 of tenant $1 as figures.sql returns those of the tenant: day rows in [$2, $4), hour rows in
-- [$5, $4), and part 'spread' of [$3, $4) and [$2, $3).
SELECT 'day' AS "part!", u.bucket_start, NULL::text AS agent_name,
       u.total_calls::bigint AS "calls!", u.successful_calls::bigint AS "answered!",
       u.voicemail_calls::bigint AS "voicemail!", u.no_answer_calls::bigint AS "no_answer!",
       u.busy_calls::bigint AS "busy!", u.failed_outcome_calls::bigint AS "failed!",
       u.cancelled_calls::bigint AS "cancelled!", u.in_progress_calls::bigint AS "in_progress!",
       u.total_duration_minutes::bigint AS "minutes!", u.talk_seconds::bigint AS "talk_seconds!",
       u.leads_generated::bigint AS "leads!", u.qualified_leads::bigint AS "qualified_leads!",
       u.credits_micros::bigint AS "credits_micros!", u.cost_micros::bigint AS "cost_micros!",
       u.distinct_contacts::bigint AS contacts, NULL::integer AS p50_seconds, NULL::integer AS p95_seconds, NULL::integer AS p99_seconds,
       u.contact_ids
FROM public.agent_analytics u
WHERE u.user_id = $1 AND u.agent_id = $6 AND u.grain = 'day' AND u.zone = (SELECT timezone FROM public.users WHERE id = $1) AND u.bucket_start >= $2 AND u.bucket_start < $4
UNION ALL
SELECT 'hour', u.bucket_start, NULL,
       u.total_calls, u.successful_calls, u.voicemail_calls, u.no_answer_calls, u.busy_calls,
       u.failed_outcome_calls, u.cancelled_calls, u.in_progress_calls, u.total_duration_minutes, u.talk_seconds,
       u.leads_generated, u.qualified_leads, u.credits_micros, u.cost_micros, NULL, NULL, NULL, NULL, NULL
FROM public.agent_analytics u
WHERE u.user_id = $1 AND u.agent_id = $6 AND u.grain = 'hour' AND u.zone = (SELECT timezone FROM public.users WHERE id = $1) AND u.bucket_start >= $5 AND u.bucket_start < $4
UNION ALL
SELECT 'spread', NULL, CASE WHEN is_now THEN 'now' ELSE 'before' END, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
       NULL, p.p50_seconds, p.p95_seconds, p.p99_seconds, NULL
FROM (
    SELECT is_now, min(v) FILTER (WHERE upto >= ceil(0.50 * total)) AS p50_seconds,
           min(v) FILTER (WHERE upto >= ceil(0.95 * total)) AS p95_seconds,
           min(v) FILTER (WHERE upto >= ceil(0.99 * total)) AS p99_seconds
    FROM (
        SELECT is_now, v, sum(n) OVER (PARTITION BY is_now ORDER BY v) AS upto, sum(n) OVER (PARTITION BY is_now) AS total
        FROM (
            SELECT u.bucket_start >= $3 AS is_now, t.v, sum(t.n) AS n
            FROM public.agent_analytics u
            CROSS JOIN LATERAL unnest(u.duration_values, u.duration_counts) AS t (v, n)
            WHERE u.user_id = $1 AND u.agent_id = $6 AND u.grain = 'day' AND u.zone = (SELECT timezone FROM public.users WHERE id = $1) AND u.bucket_start >= $2 AND u.bucket_start < $4
            GROUP BY 1, 2
        ) h
    ) c
    GROUP BY is_now
) p
