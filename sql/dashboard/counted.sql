-- Returns how many calls of tenant $1 in [$2, $3) a filter counts, from day and hour rows: figures of the agent $4 or, if null, of all.
-- $5 and $6 seconds of talk from and below, for talked; $7 weekday from Monday 1 and $8 hour, null for any, for at_hour.
WITH days AS (
    SELECT u.total_calls, u.successful_calls, u.voicemail_calls, u.no_answer_calls, u.busy_calls, u.failed_outcome_calls,
           u.cancelled_calls, u.in_progress_calls, u.inbound_calls, u.outbound_calls, u.phone_calls, u.internet_calls,
           u.unknown_source_calls, u.leads_generated, u.hot_leads, u.warm_leads, u.cold_leads, u.unqualified_leads,
           u.duration_values, u.duration_counts
    FROM public.user_analytics u
    WHERE $4::uuid IS NULL AND u.user_id = $1 AND u.grain = 'day' AND u.bucket_start >= $2 AND u.bucket_start < $3
      AND u.zone = (SELECT timezone FROM public.users WHERE id = $1)
    UNION ALL
    SELECT a.total_calls, a.successful_calls, a.voicemail_calls, a.no_answer_calls, a.busy_calls, a.failed_outcome_calls,
           a.cancelled_calls, a.in_progress_calls, a.inbound_calls, a.outbound_calls, a.phone_calls, a.internet_calls,
           a.unknown_source_calls, a.leads_generated, a.hot_leads, a.warm_leads, a.cold_leads, a.unqualified_leads,
           a.duration_values, a.duration_counts
    FROM public.agent_analytics a
    WHERE a.agent_id = $4 AND a.user_id = $1 AND a.grain = 'day' AND a.bucket_start >= $2 AND a.bucket_start < $3
      AND a.zone = (SELECT timezone FROM public.users WHERE id = $1)
), hours AS (
    SELECT u.total_calls, u.date, u.hour FROM public.user_analytics u
    WHERE $4::uuid IS NULL AND u.user_id = $1 AND u.grain = 'hour' AND u.bucket_start >= $2 AND u.bucket_start < $3
      AND u.zone = (SELECT timezone FROM public.users WHERE id = $1)
    UNION ALL
    SELECT a.total_calls, a.date, a.hour FROM public.agent_analytics a
    WHERE a.agent_id = $4 AND a.user_id = $1 AND a.grain = 'hour' AND a.bucket_start >= $2 AND a.bucket_start < $3
      AND a.zone = (SELECT timezone FROM public.users WHERE id = $1)
)
SELECT coalesce(sum(d.total_calls), 0)::bigint AS "calls!",
       ARRAY[coalesce(sum(d.successful_calls), 0), coalesce(sum(d.voicemail_calls), 0), coalesce(sum(d.no_answer_calls), 0),
             coalesce(sum(d.busy_calls), 0), coalesce(sum(d.failed_outcome_calls), 0), coalesce(sum(d.cancelled_calls), 0),
             coalesce(sum(d.in_progress_calls), 0)]::bigint[] AS "outcomes!",
       coalesce(sum(d.inbound_calls), 0)::bigint AS "inbound!", coalesce(sum(d.outbound_calls), 0)::bigint AS "outbound!",
       coalesce(sum(d.phone_calls), 0)::bigint AS "phone!", coalesce(sum(d.internet_calls), 0)::bigint AS "internet!",
       coalesce(sum(d.unknown_source_calls), 0)::bigint AS "unknown!", coalesce(sum(d.leads_generated), 0)::bigint AS "leads!",
       coalesce(sum(d.hot_leads), 0)::bigint AS "hot!", coalesce(sum(d.warm_leads), 0)::bigint AS "warm!",
       coalesce(sum(d.cold_leads), 0)::bigint AS "cold!", coalesce(sum(d.unqualified_leads), 0)::bigint AS "unqualified!",
       (SELECT coalesce(sum(t.n), 0)::bigint FROM days k CROSS JOIN LATERAL unnest(k.duration_values, k.duration_counts) AS t (v, n)
        WHERE t.v >= coalesce($5::integer, 1) AND ($6::integer IS NULL OR t.v < $6)) AS "talked!",
       (SELECT coalesce(sum(h.total_calls), 0)::bigint FROM hours h
        WHERE ($7::integer IS NULL OR extract(isodow FROM h.date) = $7) AND ($8::integer IS NULL OR h.hour = $8)) AS "at_hour!"
FROM days d
