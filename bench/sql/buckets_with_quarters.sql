-- The hours (1), days (2) or months (3) of a tenant that hold quarter rows. $1 tenant, $2 zone, $3 tier.
SELECT DISTINCT l.bucket_start, l.bucket_end, l.date, l.hour
FROM (SELECT DISTINCT q.bucket_start FROM tally.quarter_rollups q WHERE q.user_id = $1) q
CROSS JOIN LATERAL tally.local_bucket($2, $3, q.bucket_start) l
