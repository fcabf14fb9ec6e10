-- Returns calls and seconds of the 200 units of method $1 that were done last, null when there is none.
SELECT sum(u.calls_read)::float8 AS calls, sum(u.work_seconds) AS seconds
FROM (
    SELECT u.calls_read, u.work_seconds
    FROM tally.backfill_units u
    JOIN tally.backfills b ON b.id = u.backfill_id
    WHERE b.method = $1 AND u.state = 'done'
    ORDER BY u.finished_at DESC
    LIMIT 200
) u
