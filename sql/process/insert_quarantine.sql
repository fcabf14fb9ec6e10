-- Puts events of the inbox into quarantine with the reason. $1 rows of tally.quarantine as JSON.
INSERT INTO tally.quarantine (user_id, provider, endpoint, inbox_id, reason, detail, wait_key, received_at)
SELECT r.user_id, r.provider, r.endpoint, r.inbox_id, r.reason, r.detail, r.wait_key, r.received_at
FROM jsonb_to_recordset($1::jsonb) AS r (
    user_id uuid, provider text, endpoint text, inbox_id bigint, reason text, detail text, wait_key text, received_at timestamptz)
ORDER BY r.user_id, r.inbox_id
ON CONFLICT (user_id, inbox_id) DO NOTHING
