-- Returns where each bucket of a tier ends and what it is called in the tenant's zone. A start that is no bucket of
-- that zone (the tenant has moved) comes back empty, bucket_end = bucket_start: its rows are to go.
-- $1 tenants, $2 bucket starts, $3 tier, $4 generations.
SELECT b.user_id AS "user_id!", b.bucket_start AS "bucket_start!", b.generation AS "generation!", u.timezone AS "zone!",
       coalesce(p.bucket_end, b.bucket_start) AS "bucket_end!",
       coalesce(p.date, date '2015-01-01') AS "date!", p.hour
FROM unnest($1::uuid[], $2::timestamptz[], $4::bigint[]) AS b (user_id, bucket_start, generation)
JOIN public.users u ON u.id = b.user_id
LEFT JOIN LATERAL tally.local_bucket(u.timezone, $3, b.bucket_start) p ON p.bucket_start = b.bucket_start
