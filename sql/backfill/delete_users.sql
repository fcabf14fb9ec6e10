-- Deletes the tenant's rows of written hours and days that are not staged; returns nothing.
-- $1 tenant, $2 grains, $3 bucket starts, in parallel arrays.
DELETE FROM public.user_analytics r
USING unnest($2::text[], $3::timestamptz[]) AS b (grain, bucket_start)
WHERE r.user_id = $1 AND r.grain = b.grain AND r.bucket_start = b.bucket_start
  AND NOT EXISTS (SELECT FROM pg_temp.stage_users s WHERE s.grain = r.grain AND s.bucket_start = r.bucket_start)
