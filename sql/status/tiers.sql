-- Returns for each of the four tiers its buckets with marks, the age of the oldest mark, and the buckets that cannot be recomputed.
SELECT t.tier AS "tier!", coalesce(m.buckets, 0) AS "dirty_buckets!", m.oldest_seconds,
       (SELECT count(*) FROM tally.rollup_buckets b WHERE b.tier = t.tier AND b.failures > 0) AS "failing_buckets!"
FROM generate_series(0, 3) AS t (tier)
LEFT JOIN (
    SELECT b.tier, count(*) AS buckets, extract(epoch FROM now() - min(b.marked_at))::float8 AS oldest_seconds
    FROM (
        SELECT tier, min(marked_at) AS marked_at FROM tally.rollup_marks GROUP BY tier, user_id, bucket_start
    ) b
    GROUP BY b.tier
) m ON m.tier = t.tier
ORDER BY t.tier
