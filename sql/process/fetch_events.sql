-- Returns the given events, if still pending, with their bodies: as many as have $3 bytes together, but one at least. An event comes
-- by the bytes that are ahead of it in its lane, so no lane waits for another's large bodies. The length of a body is told without
-- reading it. A Twilio event has waited when its time of waiting is over, not when it is old: after a standstill its execution may
-- be a few events further on. $1 tenants, $2 inbox ids, in parallel arrays.
SELECT t.user_id AS "user_id!", t.inbox_id AS "inbox_id!", t.provider AS "provider!", t.endpoint AS "endpoint!",
       t.body_sha256 AS "body_sha256!", t.body, t.received_at AS "received_at!", t.waited AS "waited!", t.account_sid AS "account_sid?",
       t.trace
FROM (
    SELECT a.*, sum(a.bytes) OVER in_turn AS together, row_number() OVER in_turn AS place
    FROM (
        SELECT f.*, sum(f.bytes) OVER (PARTITION BY f.user_id ORDER BY f.inbox_id ROWS UNBOUNDED PRECEDING) - f.bytes AS ahead
        FROM (
            SELECT p.user_id, p.inbox_id, i.provider, i.endpoint, i.body_sha256, i.body, i.received_at,
                   p.state = 'waiting' AND p.not_before <= now() AS waited, e.account_sid, coalesce(octet_length(i.body), 0) AS bytes,
                   i.headers ->> 'traceparent' AS trace
            FROM tally.inbox_pending p
            JOIN tally.inbox i ON i.user_id = p.user_id AND i.id = p.inbox_id
            LEFT JOIN tally.endpoints e ON e.endpoint = i.endpoint
            WHERE (p.user_id, p.inbox_id) IN (SELECT * FROM unnest($1::uuid[], $2::bigint[]))
        ) f
    ) a
    WINDOW in_turn AS (ORDER BY a.ahead, a.inbox_id ROWS UNBOUNDED PRECEDING)
) t
WHERE t.together <= $3 OR t.place = 1
ORDER BY t.user_id, t.inbox_id
