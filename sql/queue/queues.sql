-- Returns every queue: those of $1, those with jobs, paused or capped ones, and those that a living process takes jobs from.
WITH served AS MATERIALIZED (
    SELECT q.queue, l.label FROM tally.job_leases l CROSS JOIN LATERAL unnest(l.queues) AS q (queue) WHERE l.expires_at > now()
), live AS MATERIALIZED (
    SELECT queue,
        count(*) FILTER (WHERE state = 'ready' AND run_at <= now()) AS waiting,
        count(*) FILTER (WHERE state = 'ready' AND run_at > now()) AS delayed,
        count(*) FILTER (WHERE state = 'claimed') AS running,
        extract(epoch FROM now() - min(run_at) FILTER (WHERE state = 'ready' AND run_at <= now()))::float8 AS oldest_seconds
    FROM tally.jobs
    GROUP BY queue
)
SELECT name.queue AS "queue!", coalesce(j.waiting, 0) AS "waiting!", coalesce(j.delayed, 0) AS "delayed!",
    coalesce(j.running, 0) AS "running!", j.oldest_seconds AS "oldest_seconds?", p.paused_at AS "paused_at?",
    p.reason AS "paused_reason?", c.tenant_cap AS "tenant_cap?",
    ARRAY(SELECT s.label FROM served s WHERE s.queue = name.queue ORDER BY s.label) AS "processes!"
FROM (
    SELECT unnest($1::text[]) AS queue
    UNION SELECT queue FROM live
    UNION SELECT queue FROM tally.paused_queues
    UNION SELECT queue FROM tally.queue_caps
    UNION SELECT queue FROM served
) name
LEFT JOIN live j ON j.queue = name.queue
LEFT JOIN tally.paused_queues p ON p.queue = name.queue
LEFT JOIN tally.queue_caps c ON c.queue = name.queue
ORDER BY 1
