-- Returns the marked buckets of tenant $1, each once, oldest first.
SELECT DISTINCT tier, bucket_start
FROM tally.rollup_marks
WHERE user_id = $1
ORDER BY tier, bucket_start
