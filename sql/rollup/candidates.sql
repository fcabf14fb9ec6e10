-- Returns marked buckets of one tier, tenants in turn: each tenant's first bucket, then each tenant's second, …
-- $1 tier, $2 buckets a tenant, $3 buckets in all.
SELECT c.user_id AS "user_id!", c.bucket_start AS "bucket_start!"
FROM (
    SELECT u.id AS user_id, m.bucket_start, row_number() OVER (PARTITION BY u.id ORDER BY m.bucket_start DESC) AS place
    FROM public.users u
    CROSS JOIN LATERAL (
        SELECT DISTINCT r.bucket_start
        FROM tally.rollup_marks r
        WHERE r.user_id = u.id AND r.tier = $1
        ORDER BY r.bucket_start DESC
        LIMIT $2
    ) m
) c
ORDER BY c.place, c.user_id
LIMIT $3
