-- Returns the seconds until the next job of queue $1 is due; null when none waits.
SELECT extract(epoch FROM min(due.run_at) - now())::float8 AS seconds
FROM unnest('{0,1,2,3}'::smallint[]) AS level(priority)
CROSS JOIN LATERAL (
    SELECT j.run_at
    FROM tally.jobs j
    WHERE j.state = 'ready' AND j.queue = $1 AND j.priority = level.priority
    ORDER BY j.run_at, j.id
    LIMIT 1
) due
WHERE NOT EXISTS (SELECT 1 FROM tally.paused_queues p WHERE p.queue = $1)
