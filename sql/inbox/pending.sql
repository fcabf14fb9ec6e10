-- Returns webhooks of the inbox that are still to be applied and in state $7 (ready or waiting), the newest first: those of
-- tenant $1 (all when null), of provider $2, received from $3 to before $4, with an id below $5, at most $6.
SELECT i.id, i.user_id AS tenant, i.provider, i.endpoint, i.received_at, octet_length(i.body) AS "bytes?",
       p.state, NULL::text AS "reason?"
FROM tally.inbox_pending p
JOIN tally.inbox i ON i.user_id = p.user_id AND i.id = p.inbox_id
WHERE p.state = $7 AND ($1::uuid IS NULL OR p.user_id = $1) AND ($2::text IS NULL OR i.provider = $2)
  AND p.received_at >= $3 AND p.received_at < $4 AND p.inbox_id < $5
ORDER BY p.inbox_id DESC
LIMIT $6
