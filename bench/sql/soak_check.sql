-- One tenant, one grain, in one snapshot: the exact read, the stored figures, and the calls. Returns how many buckets the exact
-- read has wrong, and how many the stored figures.
-- $1 tenant, $2 grain, $3 tier, $4 per agent.
WITH quarters AS (
    SELECT m.quarter_start, CASE WHEN $4 THEN m.agent_id END AS agent_id, count(*) AS calls, sum(m.duration_seconds) AS seconds,
           sum(m.credits_micros) AS credits, count(*) FILTER (WHERE m.is_lead) AS leads,
           sum(tally.fingerprint_hi(m.fingerprint)) AS hi, sum(tally.fingerprint_lo(m.fingerprint)) AS lo
    FROM tally.call_metrics m
    WHERE m.user_id = $1
    GROUP BY 1, 2
), raw AS (
    SELECT l.bucket_start, q.agent_id, sum(q.calls) AS calls, sum(q.seconds) AS seconds, sum(q.credits) AS credits, sum(q.leads) AS leads,
           sum(q.hi) AS hi, sum(q.lo) AS lo
    FROM quarters q
    CROSS JOIN LATERAL tally.local_bucket((SELECT u.timezone FROM users u WHERE u.id = $1), $3, q.quarter_start) l
    GROUP BY 1, 2
), exact AS (
    SELECT e.bucket_start, e.agent_id, e.total_calls::numeric AS calls, e.talk_seconds::numeric AS seconds, e.credits_micros::numeric AS credits,
           e.leads_generated::numeric AS leads, e.fingerprint_hi::numeric AS hi, e.fingerprint_lo::numeric AS lo
    FROM tally.exact_analytics($1, $2, '2025-12-01', '2026-06-01', $4, false, 1000000) e
    WHERE e.bucket_start IS NOT NULL
), stored AS (
    SELECT r.bucket_start, NULL::uuid AS agent_id, r.total_calls::numeric AS calls, r.talk_seconds::numeric AS seconds,
           r.credits_micros::numeric AS credits, r.leads_generated::numeric AS leads, r.fingerprint_hi::numeric AS hi, r.fingerprint_lo::numeric AS lo
    FROM user_analytics r WHERE NOT $4 AND r.user_id = $1 AND r.grain = $2 AND r.zone = (SELECT u.timezone FROM users u WHERE u.id = $1)
    UNION ALL
    SELECT r.bucket_start, r.agent_id, r.total_calls, r.talk_seconds, r.credits_micros, r.leads_generated, r.fingerprint_hi, r.fingerprint_lo
    FROM agent_analytics r WHERE $4 AND r.user_id = $1 AND r.grain = $2 AND r.zone = (SELECT u.timezone FROM users u WHERE u.id = $1)
)
SELECT (SELECT count(*) FROM (SELECT * FROM raw EXCEPT SELECT * FROM exact) x) + (SELECT count(*) FROM (SELECT * FROM exact EXCEPT SELECT * FROM raw) x) AS exact_wrong,
       (SELECT count(*) FROM (SELECT * FROM raw EXCEPT SELECT * FROM stored) x) + (SELECT count(*) FROM (SELECT * FROM stored EXCEPT SELECT * FROM raw) x) AS stored_wrong
