-- Returns marked buckets of one tier, tenants in turn (who waits longest first): each tenant's newest, then each one's second, …
-- Tenants with marks are found by skipping through the index, so that a pile of one tenant's marks costs the others nothing.
-- $1 tier, $2 buckets a tenant, $3 buckets in all.
WITH RECURSIVE tenants AS (
    (SELECT r.user_id FROM tally.rollup_marks r ORDER BY r.user_id LIMIT 1)
    UNION ALL
    SELECT (SELECT r.user_id FROM tally.rollup_marks r WHERE r.user_id > t.user_id ORDER BY r.user_id LIMIT 1)
    FROM tenants t
    WHERE t.user_id IS NOT NULL
)
SELECT c.user_id AS "user_id!", c.bucket_start AS "bucket_start!"
FROM (
    SELECT t.user_id, m.bucket_start, row_number() OVER (PARTITION BY t.user_id ORDER BY m.bucket_start DESC) AS place,
           (SELECT w.seq FROM tally.rollup_marks w WHERE w.user_id = t.user_id ORDER BY w.seq LIMIT 1) AS oldest
    FROM tenants t
    CROSS JOIN LATERAL (
        SELECT DISTINCT r.bucket_start
        FROM tally.rollup_marks r
        WHERE r.user_id = t.user_id AND r.tier = $1
        ORDER BY r.bucket_start DESC
        LIMIT $2
    ) m
    WHERE t.user_id IS NOT NULL
) c
ORDER BY c.place, c.oldest, c.user_id
LIMIT $3
