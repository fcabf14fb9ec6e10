-- Returns the marked buckets of tenant $1 that start in [$2, $3), each once, oldest first; of tiers up to $4.
SELECT DISTINCT tier, bucket_start
FROM tally.rollup_marks
WHERE user_id = $1 AND tier BETWEEN 0 AND $4 AND bucket_start >= $2 AND bucket_start < $3
ORDER BY tier, bucket_start
