-- The given entries leave the quarantine and their events are pending again; those of Twilio have waited for their execution
-- already, and are tried at once. $1 tenants, $2 ids of the quarantine.
WITH released AS (
    DELETE FROM tally.quarantine q
    WHERE (q.user_id, q.id) IN (SELECT * FROM unnest($1::uuid[], $2::bigint[])) AND q.inbox_id IS NOT NULL
    RETURNING q.user_id, q.inbox_id, q.received_at, q.provider, q.wait_key
)
INSERT INTO tally.inbox_pending (user_id, inbox_id, received_at, state, not_before, wait_key)
SELECT r.user_id, r.inbox_id, r.received_at, CASE WHEN w.waited THEN 'waiting' ELSE 'ready' END,
       CASE WHEN w.waited THEN now() ELSE '-infinity' END, CASE WHEN w.waited THEN r.wait_key END
FROM released r
CROSS JOIN LATERAL (SELECT r.provider = 'twilio' AND r.wait_key IS NOT NULL AS waited) w
ON CONFLICT (user_id, inbox_id) DO NOTHING
