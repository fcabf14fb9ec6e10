-- Returns up to $3 events that made the call $2 of the tenant $1, in the order in which they were received.
SELECT provider, inbox_id, received_at
FROM tally.call_events
WHERE user_id = $1 AND call_id = $2
ORDER BY received_at, inbox_id
LIMIT $3
