-- Returns $10 calls of the tenant $1 that started in [$2, $3) and before the call ($4, $5), the newest first; of the agent $6, the
-- contact $7, the outcome $8, the direction $9, where those are not null.
SELECT id, agent_id, contact_id, started_at, completed_at, outcome, lead_type AS direction, call_source AS source, phone_number,
       duration_seconds, duration_minutes, credits_micros, cost_micros, hangup_by
FROM public.calls
WHERE user_id = $1 AND started_at >= $2 AND started_at < $3 AND (started_at, id) < ($4, $5::uuid)
  AND ($6::uuid IS NULL OR agent_id = $6) AND ($7::uuid IS NULL OR contact_id = $7)
  AND ($8::text IS NULL OR outcome = $8) AND ($9::text IS NULL OR lead_type = $9)
ORDER BY started_at DESC, id DESC
LIMIT $10
