-- Deletes rows of locked quarters whose agent has no call left in them; returns nothing. Frozen quarters keep their rows.
-- $1 tenants, $2 bucket starts.
DELETE FROM tally.quarter_rollups r
USING unnest($1::uuid[], $2::timestamptz[]) AS b (user_id, bucket_start)
WHERE r.user_id = b.user_id AND r.bucket_start = b.bucket_start
  AND r.bucket_start >= tally.frozen_before(r.user_id)
  AND NOT EXISTS (
      SELECT FROM public.calls c
      WHERE c.user_id = r.user_id AND c.agent_id = r.agent_id
        AND c.started_at >= r.bucket_start AND c.started_at < r.bucket_start + interval '15 minutes'
  )
