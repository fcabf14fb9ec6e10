-- Returns the event $2 in quarantine of the tenant $1, with its body, which the inbox has if quarantine has not.
SELECT q.id, q.provider, q.reason, q.detail, q.received_at, q.created_at, coalesce(q.body, i.body) AS body
FROM tally.quarantine q
LEFT JOIN tally.inbox i ON i.user_id = q.user_id AND i.id = q.inbox_id
WHERE q.user_id = $1 AND q.id = $2
