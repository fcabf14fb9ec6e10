-- Puts analyses of tenant $1 into the inbox, as if they had been posted; returns how many are new. $2 hashes, $3 bodies.
WITH stored AS (
    INSERT INTO tally.inbox (user_id, provider, endpoint, body_sha256, body)
    SELECT $1, 'analysis', 'analyze_leads', r.sha256, r.body
    FROM unnest($2::bytea[], $3::bytea[]) AS r (sha256, body)
    ORDER BY r.sha256
    ON CONFLICT DO NOTHING
    RETURNING user_id, id, received_at
), pending AS (
    INSERT INTO tally.inbox_pending (user_id, inbox_id, received_at)
    SELECT user_id, id, received_at FROM stored
    RETURNING inbox_id
)
SELECT count(*) AS "stored!" FROM pending
