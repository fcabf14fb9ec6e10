-- How many buckets the tenant has; they are locked, in the order in which roll-ups lock them.
SELECT count(*) AS "buckets!"
FROM (
    SELECT tier, bucket_start
    FROM tally.rollup_buckets
    WHERE user_id = $1
    ORDER BY tier, bucket_start
    FOR UPDATE
) AS locked
