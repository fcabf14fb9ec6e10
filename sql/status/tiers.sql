-- Returns for each of the four tiers its buckets with marks and the age of the oldest mark.
SELECT t.tier AS "tier!", coalesce(m.buckets, 0) AS "dirty_buckets!", m.oldest_seconds
FROM generate_series(0, 3) AS t (tier)
LEFT JOIN (
    SELECT b.tier, count(*) AS buckets, extract(epoch FROM now() - min(b.marked_at))::float8 AS oldest_seconds
    FROM (
        SELECT tier, min(marked_at) AS marked_at FROM tally.rollup_marks GROUP BY tier, user_id, bucket_start
    ) b
    GROUP BY b.tier
) m ON m.tier = t.tier
ORDER BY t.tier
