-- Puts a body into the inbox as the receiver does. $1 tenant, $2 provider, $3 SHA-256, $4 body.
WITH stored AS (
    INSERT INTO tally.inbox (user_id, provider, endpoint, body_sha256, body) VALUES ($1, $2, 'endpoint-of-a-test', $3, $4)
    ON CONFLICT DO NOTHING RETURNING user_id, id, received_at
)
INSERT INTO tally.inbox_pending (user_id, inbox_id, received_at) SELECT user_id, id, received_at FROM stored
