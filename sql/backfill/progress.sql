-- Returns backfill $1, or all when it is null (only those that run or are paused when $3), the newest $2, each with the sum of its units.
-- The time left follows from what was done since it last began to run, pauses for live work and rate limits included.
SELECT b.id AS "id!", b.user_id, b.first_day, b.last_day, b.mode AS "mode!", b.method AS "method!", b.state AS "state!",
       b.max_calls_per_second, b.reason AS "reason!", b.created_at AS "created_at!", b.running_since AS "running_since!", b.finished_at,
       u.units AS "units!", u.units_done AS "units_done!", u.units_failed AS "units_failed!", u.calls AS "calls!",
       u.calls_done AS "calls_done!", u.calls_read AS "calls_read!", u.buckets_written AS "buckets_written!",
       u.buckets_discarded AS "buckets_discarded!",
       CASE WHEN b.state = 'running' AND u.recent_weight > 0
            THEN u.weight_left * extract(epoch FROM now() - b.running_since)::float8 / u.recent_weight END AS eta_seconds
FROM tally.backfills b
CROSS JOIN LATERAL (
    SELECT count(*) AS units,
           count(*) FILTER (WHERE x.state = 'done') AS units_done,
           count(*) FILTER (WHERE x.state = 'failed') AS units_failed,
           coalesce(sum(x.calls), 0)::bigint AS calls,
           coalesce(sum(x.calls) FILTER (WHERE x.state IN ('done', 'failed')), 0)::bigint AS calls_done,
           coalesce(sum(x.calls_read), 0)::bigint AS calls_read,
           coalesce(sum(x.buckets_written), 0)::bigint AS buckets_written,
           coalesce(sum(x.buckets_discarded), 0)::bigint AS buckets_discarded,
           -- A unit without calls costs something, too.
           coalesce(sum(x.calls + 1) FILTER (WHERE x.state IN ('ready', 'marked')), 0)::float8 AS weight_left,
           coalesce(sum(x.calls + 1) FILTER (WHERE x.finished_at >= b.running_since), 0)::float8 AS recent_weight
    FROM tally.backfill_units x
    WHERE x.backfill_id = b.id
) u
WHERE ($1::uuid IS NULL OR b.id = $1) AND (NOT $3::boolean OR b.state IN ('running', 'paused'))
ORDER BY b.created_at DESC, b.id
LIMIT $2
