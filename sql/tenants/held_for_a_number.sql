-- The events of tenant $1 that are held because nothing says whose call they are, with their bodies, from the inbox id after
-- $2 on, at most $3.
SELECT q.inbox_id AS "inbox_id!", q.provider, i.body AS "body!", i.received_at
FROM tally.quarantine q
JOIN tally.inbox i ON i.user_id = q.user_id AND i.id = q.inbox_id AND i.body IS NOT NULL
WHERE q.user_id = $1 AND q.reason IN ('no_call', 'no_agent') AND q.inbox_id > $2
ORDER BY q.inbox_id
LIMIT $3
