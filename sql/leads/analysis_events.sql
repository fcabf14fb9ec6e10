-- Returns the analyses filed under calls of tenant $1. $2 calls.
SELECT e.call_id, e.facts
FROM tally.call_events e
WHERE e.user_id = $1 AND e.call_id = ANY($2) AND e.provider = 'analysis'
