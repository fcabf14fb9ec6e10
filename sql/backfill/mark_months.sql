-- Marks the months of zone $2 that hold days of [$3, $4) for tenant $1; returns nothing.
INSERT INTO tally.rollup_marks (user_id, tier, bucket_start)
SELECT $1, 3, k.bucket_start
FROM tally.calendar k
WHERE k.zone = $2 AND k.grain = 'month' AND k.bucket_end > $3 AND k.bucket_start < $4
