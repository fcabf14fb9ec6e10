-- Nothing; marks every quarter of an hour in which the tenant has calls.
INSERT INTO tally.rollup_marks (user_id, tier, bucket_start)
SELECT DISTINCT q.user_id, 0, q.bucket_start
FROM tally.quarter_rollups q
WHERE q.user_id = $1
