-- Every (quarter of 2025 and 2026, tier) whose hour, day or month in the zone $1 is missing, not unique, too short or labelled otherwise than AT TIME ZONE says.
SELECT format('%s tier %s: %s buckets, %s %s', q, t.tier, count(b.bucket_start), min(b.date), min(b.hour))
FROM generate_series(timestamptz '2025-01-01 00:00Z', timestamptz '2026-12-31 23:45Z', interval '15 minutes') q
CROSS JOIN (VALUES (1), (2), (3)) AS t (tier)
LEFT JOIN LATERAL tally.local_bucket($1, t.tier, q) b ON true
CROSS JOIN LATERAL (SELECT q AT TIME ZONE $1 AS wall) w
GROUP BY q, t.tier, w.wall
HAVING count(b.bucket_start) <> 1
    OR NOT bool_and(b.bucket_start <= q AND q + interval '15 minutes' <= b.bucket_end)
    OR min(b.date) <> CASE t.tier WHEN 3 THEN date_trunc('month', w.wall) ELSE w.wall END::date
    OR min(b.hour) IS DISTINCT FROM CASE t.tier WHEN 1 THEN extract(hour FROM w.wall)::integer END
ORDER BY 1
