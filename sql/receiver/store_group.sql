-- Keys of the events that are new; each has its row in the inbox and is pending when this commits. Events of a tenant that is
-- no longer there are left out: they may come from a memory, or from a file. Those with a time of their own were received then.
WITH stored AS (
    INSERT INTO tally.inbox (user_id, provider, endpoint, body_sha256, body, headers, received_at)
    SELECT n.user_id, n.provider, n.endpoint, n.body_sha256, n.body, n.headers::jsonb, coalesce(n.received_at, clock_timestamp())
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::bytea[], $6::text[], $7::timestamptz[])
        AS n (user_id, provider, endpoint, body_sha256, body, headers, received_at)
    WHERE EXISTS (SELECT FROM public.users u WHERE u.id = n.user_id)
    ORDER BY n.body_sha256, n.user_id, n.provider
    ON CONFLICT (user_id, provider, body_sha256) DO NOTHING
    RETURNING user_id, id, provider, body_sha256, received_at
), pending AS (
    INSERT INTO tally.inbox_pending (user_id, inbox_id, received_at)
    SELECT user_id, id, received_at FROM stored
)
SELECT user_id, provider, body_sha256 FROM stored
