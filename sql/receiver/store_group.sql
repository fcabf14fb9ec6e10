-- Keys of the events that are new; each has its row in the inbox and is pending when this commits.
WITH stored AS (
    INSERT INTO tally.inbox (user_id, provider, endpoint, body_sha256, body, headers)
    SELECT n.user_id, n.provider, n.endpoint, n.body_sha256, n.body, n.headers::jsonb
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::bytea[], $6::text[])
        AS n (user_id, provider, endpoint, body_sha256, body, headers)
    ORDER BY n.body_sha256, n.user_id, n.provider
    ON CONFLICT (user_id, provider, body_sha256) DO NOTHING
    RETURNING user_id, id, provider, body_sha256, received_at
), pending AS (
    INSERT INTO tally.inbox_pending (user_id, inbox_id, received_at)
    SELECT user_id, id, received_at FROM stored
)
SELECT user_id, provider, body_sha256 FROM stored
