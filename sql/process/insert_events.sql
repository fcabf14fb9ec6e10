-- Files parsed events under their calls; a known event is left alone. $1 rows of tally.call_events as JSON, body_sha256 in hex.
INSERT INTO tally.call_events (user_id, call_id, provider, body_sha256, inbox_id, received_at, facts)
SELECT r.user_id, r.call_id, r.provider, decode(r.body_sha256, 'hex'), r.inbox_id, r.received_at, r.facts
FROM jsonb_to_recordset($1::jsonb) AS r (
    user_id uuid, call_id uuid, provider text, body_sha256 text, inbox_id bigint, received_at timestamptz, facts jsonb)
ORDER BY r.user_id, r.call_id, r.provider, r.body_sha256
ON CONFLICT DO NOTHING
