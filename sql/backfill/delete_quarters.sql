-- Deletes the rows of written quarters that are not staged: their agents have no call there; returns nothing.
-- $1 tenant, $2 bucket starts.
DELETE FROM tally.quarter_rollups r
USING unnest($2::timestamptz[]) AS b (bucket_start)
WHERE r.user_id = $1 AND r.bucket_start = b.bucket_start
  AND NOT EXISTS (SELECT FROM pg_temp.stage_quarters s WHERE s.bucket_start = r.bucket_start AND s.agent_id = r.agent_id)
