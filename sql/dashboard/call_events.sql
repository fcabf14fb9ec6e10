-- Returns the events of the call $2 of tenant $1 in the order in which they were received, at most 500.
SELECT provider, received_at, facts AS event
FROM tally.call_events
WHERE user_id = $1 AND call_id = $2
ORDER BY received_at, inbox_id
LIMIT 500
