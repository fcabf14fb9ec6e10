-- The given events of tenant $1 are pending again; those of Twilio have waited for their execution already. $2 inbox ids.
WITH released AS (
    DELETE FROM tally.quarantine q WHERE q.user_id = $1 AND q.inbox_id = ANY ($2)
    RETURNING q.user_id, q.inbox_id, q.received_at, q.provider, q.wait_key
)
INSERT INTO tally.inbox_pending (user_id, inbox_id, received_at, state, not_before, wait_key)
SELECT r.user_id, r.inbox_id, r.received_at, CASE WHEN w.waited THEN 'waiting' ELSE 'ready' END,
       CASE WHEN w.waited THEN now() ELSE '-infinity' END, CASE WHEN w.waited THEN r.wait_key END
FROM released r
CROSS JOIN LATERAL (SELECT r.provider = 'twilio' AND r.wait_key IS NOT NULL AS waited) w
ON CONFLICT (user_id, inbox_id) DO NOTHING
