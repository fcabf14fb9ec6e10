-- Deletes rows of locked hours, days or months under which nothing is left, and rows of another zone; returns nothing.
-- $1 tenants, $2 starts, $3 ends (start where it is no bucket of the tenant's zone any more), $4 grain.
DELETE FROM public.agent_analytics r
USING unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) AS b (user_id, bucket_start, bucket_end)
WHERE r.user_id = b.user_id AND r.bucket_start = b.bucket_start AND r.grain = $4
  AND NOT EXISTS (
      SELECT FROM tally.quarter_rollups q
      WHERE q.user_id = r.user_id AND q.agent_id = r.agent_id
        AND q.bucket_start >= b.bucket_start AND q.bucket_start < b.bucket_end
  )
