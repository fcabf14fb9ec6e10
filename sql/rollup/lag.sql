-- Returns for each tier how many marks wait (at most 10,000 are counted) and the age of the oldest in seconds.
SELECT t.tier::smallint AS "tier!", m.marks AS "marks!", m.oldest_seconds
FROM generate_series(0, 3) AS t (tier)
CROSS JOIN LATERAL (
    SELECT count(*) AS marks, extract(epoch FROM clock_timestamp() - min(w.marked_at))::float8 AS oldest_seconds
    FROM (SELECT r.marked_at FROM tally.rollup_marks r WHERE r.tier = t.tier ORDER BY r.marked_at LIMIT 10000) w
) m
ORDER BY t.tier
