-- Returns per queue the jobs ready, waiting for their time and claimed, the age of the oldest due one, and the pause.
SELECT coalesce(j.queue, p.queue) AS "queue!",
    coalesce(j.ready, 0) AS "ready!", coalesce(j.waiting, 0) AS "waiting!", coalesce(j.claimed, 0) AS "claimed!",
    j.oldest_ready_seconds, p.queue IS NOT NULL AS "paused!"
FROM (
    SELECT queue,
        count(*) FILTER (WHERE state = 'ready' AND run_at <= now()) AS ready,
        count(*) FILTER (WHERE state = 'ready' AND run_at > now()) AS waiting,
        count(*) FILTER (WHERE state = 'claimed') AS claimed,
        extract(epoch FROM now() - min(run_at) FILTER (WHERE state = 'ready' AND run_at <= now()))::float8
            AS oldest_ready_seconds
    FROM tally.jobs
    GROUP BY queue
) j
FULL JOIN tally.paused_queues p ON p.queue = j.queue
ORDER BY 1
