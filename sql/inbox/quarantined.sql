-- Returns what is in quarantine, the newest first: of tenant $1 (all when null), for reason $2, of provider $3, put there from
-- $4 to before $5, with an id below $6, at most $7; the body only of the one with id $8.
SELECT q.id, q.inbox_id, q.user_id AS tenant, q.provider, q.endpoint, q.reason, q.detail, q.wait_key AS waits_for,
       q.received_at, q.created_at AS held_since, octet_length(coalesce(i.body, q.body)) AS "bytes?",
       CASE WHEN q.id = $8 THEN coalesce(i.body, q.body) END AS "body?: Vec<u8>"
FROM tally.quarantine q
LEFT JOIN tally.inbox i ON i.user_id = q.user_id AND i.id = q.inbox_id
WHERE ($1::uuid IS NULL OR q.user_id = $1) AND ($2::text IS NULL OR q.reason = $2) AND ($3::text IS NULL OR q.provider = $3)
  AND q.created_at >= $4 AND q.created_at < $5 AND q.id < $6
ORDER BY q.id DESC
LIMIT $7
