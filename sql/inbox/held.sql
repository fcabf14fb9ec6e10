-- Returns webhooks of the inbox that are in quarantine, the newest first: those of tenant $1 (all when null), of provider $2,
-- received from $3 to before $4, with an id below $5, at most $6.
SELECT i.id, i.user_id AS tenant, i.provider, i.endpoint, i.received_at, octet_length(i.body) AS "bytes?",
       'quarantined' AS "state!", q.reason AS "reason?"
FROM tally.quarantine q
JOIN tally.inbox i ON i.user_id = q.user_id AND i.id = q.inbox_id
WHERE ($1::uuid IS NULL OR q.user_id = $1) AND ($2::text IS NULL OR i.provider = $2)
  AND i.received_at >= $3 AND i.received_at < $4 AND q.inbox_id < $5
ORDER BY q.inbox_id DESC
LIMIT $6
