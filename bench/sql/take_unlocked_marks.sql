-- The mutation `no_lock`: takes those marks of the given buckets that nobody else is taking.
DELETE FROM tally.rollup_marks m
WHERE (m.user_id, m.seq) IN (
    SELECT k.user_id, k.seq
    FROM unnest($1::uuid[], $3::timestamptz[]) AS b (user_id, bucket_start)
    JOIN tally.rollup_marks k ON k.user_id = b.user_id AND k.tier = $2 AND k.bucket_start = b.bucket_start
    FOR UPDATE OF k SKIP LOCKED
)
