-- Returns marked buckets of one tier that do not rest, tenants in turn (who waits longest first): each tenant's newest, then
-- each one's second, … Tenants and buckets with marks are found by skipping through the index, so that a pile of marks of one
-- tenant or bucket costs the others nothing.
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
        WITH RECURSIVE buckets AS (
            SELECT 'infinity'::timestamptz AS bucket_start, false AS due, 0::bigint AS found
            UNION ALL
            SELECT n.bucket_start, n.due, b.found + n.due::integer
            FROM buckets b
            CROSS JOIN LATERAL (
                SELECT r.bucket_start,
                       NOT EXISTS (SELECT FROM tally.rollup_buckets k WHERE k.user_id = r.user_id AND k.tier = $1
                                   AND k.bucket_start = r.bucket_start AND k.not_before > now()) AS due
                FROM tally.rollup_marks r
                WHERE r.user_id = t.user_id AND r.tier = $1 AND r.bucket_start < b.bucket_start
                ORDER BY r.bucket_start DESC
                LIMIT 1
            ) n
            WHERE b.found < $2
        )
        SELECT b.bucket_start FROM buckets b WHERE b.due
    ) m
    WHERE t.user_id IS NOT NULL
) c
ORDER BY c.place, c.oldest, c.user_id
LIMIT $3
