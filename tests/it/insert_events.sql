-- Puts two events that nobody has applied yet into the inbox of the tenant $1, received two hours ago.
WITH event AS (
    INSERT INTO tally.inbox (user_id, provider, endpoint, body_sha256, body, received_at)
    SELECT $1, 'bolna', 'endpoint-1', sha256(n::text::bytea), n::text::bytea, now() - interval '2 hours'
    FROM generate_series(1, 2) n
    RETURNING id, received_at
)
INSERT INTO tally.inbox_pending (user_id, inbox_id, received_at)
SELECT $1, id, received_at FROM event
