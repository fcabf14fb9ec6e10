-- Returns all events of the given calls. $1 tenants, $2 call ids.
SELECT e.user_id, e.call_id, e.facts
FROM tally.call_events e
WHERE (e.user_id, e.call_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
ORDER BY e.user_id, e.call_id
