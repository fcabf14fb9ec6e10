-- Takes the marks of the locked buckets; returns how many, the age of the oldest in seconds, the traces that they carry, and the
-- time. $1 tenants, $2 tier, $3 bucket starts.
WITH taken AS (
    DELETE FROM tally.rollup_marks m
    USING unnest($1::uuid[], $3::timestamptz[]) AS b (user_id, bucket_start)
    WHERE m.user_id = b.user_id AND m.tier = $2 AND m.bucket_start = b.bucket_start
    RETURNING m.marked_at, m.trace
)
SELECT count(*) AS "marks!", extract(epoch FROM clock_timestamp() - min(marked_at))::float8 AS oldest_seconds,
       coalesce(array_agg(DISTINCT trace) FILTER (WHERE trace IS NOT NULL), '{}') AS "traces!", clock_timestamp() AS "now!"
FROM taken
