-- Returns the local hours of the zone $1 in [$2, $3), one row an hour, split where the offset changes.
SELECT DISTINCT h.bucket_start AS "bucket_start!", h.bucket_end AS "bucket_end!", h.hour AS "hour!"
FROM generate_series($2::timestamptz, $3::timestamptz - interval '15 minutes', interval '15 minutes') AS q
CROSS JOIN LATERAL tally.hour_bucket($1, q) AS h
ORDER BY 1
