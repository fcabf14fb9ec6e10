-- Returns the marks on quarters, hours and days of tenant $1 that start in [$2, $3).
SELECT seq, tier, bucket_start
FROM tally.rollup_marks
WHERE user_id = $1 AND tier IN (0, 1, 2) AND bucket_start >= $2 AND bucket_start < $3
