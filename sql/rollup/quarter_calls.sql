-- Returns how many calls each of the given quarters has rolled up, in their order. $1 tenants, $2 bucket starts.
SELECT (SELECT coalesce(sum(r.total_calls), 0) FROM tally.quarter_rollups r
        WHERE r.user_id = b.user_id AND r.bucket_start = b.bucket_start)::bigint AS "calls!"
FROM unnest($1::uuid[], $2::timestamptz[]) WITH ORDINALITY AS b (user_id, bucket_start, place)
ORDER BY b.place
