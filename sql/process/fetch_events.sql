-- Returns the given events, if still pending, with their bodies. A Twilio event has waited when its time of waiting is over,
-- not when it is old: after a standstill its execution may be a few events further on.
-- $1 tenants, $2 inbox ids, in parallel arrays.
SELECT p.user_id, p.inbox_id, i.provider, i.endpoint, i.body_sha256, i.body, i.received_at,
       p.state = 'waiting' AND p.not_before <= now() AS "waited!", e.account_sid AS "account_sid?",
       i.headers ->> 'traceparent' AS trace
FROM tally.inbox_pending p
JOIN tally.inbox i ON i.user_id = p.user_id AND i.id = p.inbox_id
LEFT JOIN tally.endpoints e ON e.endpoint = i.endpoint
WHERE (p.user_id, p.inbox_id) IN (SELECT * FROM unnest($1::uuid[], $2::bigint[]))
ORDER BY p.user_id, p.inbox_id
