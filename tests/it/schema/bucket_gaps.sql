-- Every hour, day or month of the zone $1 after which the next one does not begin at once; the hours of 2025 and 2026, all days and months.
WITH buckets AS (
    SELECT DISTINCT 'hour' AS grain, h.bucket_start, h.bucket_end
    FROM generate_series(timestamptz '2025-01-01 00:00Z', timestamptz '2026-12-31 23:45Z', interval '15 minutes') q
    CROSS JOIN LATERAL tally.hour_bucket($1, q) h
    UNION ALL
    SELECT grain, bucket_start, bucket_end FROM tally.calendar WHERE zone = $1
)
SELECT format('%s %s to %s, then %s', grain, bucket_start, bucket_end, following)
FROM (SELECT *, lead(bucket_start) OVER (PARTITION BY grain ORDER BY bucket_start) AS following FROM buckets) b
WHERE following <> bucket_end
ORDER BY 1
