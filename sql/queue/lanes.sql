-- Returns up to $2 lanes of queue $1 that have waiting jobs, in order after the lane ($3, $4, $5), with their oldest job.
WITH RECURSIVE lane AS (
    (
        SELECT j.priority, coalesce(j.user_id, '00000000-0000-0000-0000-000000000000') AS tenant, j.kind, j.run_at, j.id
        FROM tally.jobs j
        WHERE j.state = 'ready' AND j.queue = $1
            AND (j.priority, coalesce(j.user_id, '00000000-0000-0000-0000-000000000000'), j.kind)
                > ($3::smallint, $4::uuid, $5::text)
        ORDER BY j.priority, coalesce(j.user_id, '00000000-0000-0000-0000-000000000000'), j.kind, j.run_at, j.id
        LIMIT 1
    )
    UNION ALL
    -- One descent of the index jobs_lanes per lane, and a walk over what is claimed in front.
    SELECT next.*
    FROM lane
    CROSS JOIN LATERAL (
        SELECT j.priority, coalesce(j.user_id, '00000000-0000-0000-0000-000000000000') AS tenant, j.kind, j.run_at, j.id
        FROM tally.jobs j
        WHERE j.state = 'ready' AND j.queue = $1
            AND (j.priority, coalesce(j.user_id, '00000000-0000-0000-0000-000000000000'), j.kind)
                > (lane.priority, lane.tenant, lane.kind)
        ORDER BY j.priority, coalesce(j.user_id, '00000000-0000-0000-0000-000000000000'), j.kind, j.run_at, j.id
        LIMIT 1
    ) next
), found AS (
    SELECT * FROM lane LIMIT $2
)
SELECT f.priority AS "priority!", f.tenant AS "tenant!", f.kind AS "kind!", f.run_at AS "oldest_run_at!", f.id AS "oldest_id!",
    extract(epoch FROM f.run_at - now())::float8 AS "due_in_seconds!",
    EXISTS (SELECT FROM tally.paused_queues p WHERE p.queue = $1)
        OR EXISTS (SELECT FROM tally.paused_kinds p WHERE p.kind = f.kind) AS "paused!",
    coalesce((SELECT c.tenant_cap <= (SELECT count(*) FROM tally.job_permits p
                                      WHERE p.queue = $1 AND p.tenant = f.tenant AND p.slot <= c.tenant_cap
                                          AND p.job_id IS NOT NULL)
              FROM tally.queue_caps c WHERE c.queue = $1), false) AS "full!",
    (SELECT c.tenant_cap FROM tally.queue_caps c WHERE c.queue = $1) AS tenant_cap
FROM found f
