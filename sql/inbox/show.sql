-- Returns all that is known of webhook $1 of the inbox, its body only where $2.
SELECT i.id, i.user_id AS tenant, i.provider, i.endpoint, i.received_at, octet_length(i.body) AS "bytes?",
       CASE WHEN p.state IS NOT NULL THEN p.state WHEN q.reason IS NOT NULL THEN 'quarantined' ELSE 'applied' END AS "state!",
       encode(i.body_sha256, 'hex') AS "sha256!", i.headers, p.claims AS "claims?", p.wait_key AS "waits_for?",
       CASE WHEN isfinite(p.not_before) THEN p.not_before END AS "not_before?",
       q.id AS "quarantine_id?", q.reason AS "reason?", q.detail AS "detail?", q.wait_key AS "held_for?",
       q.created_at AS "held_since?", CASE WHEN $2 THEN i.body END AS "body?: Vec<u8>"
FROM public.users u
JOIN tally.inbox i ON i.user_id = u.id AND i.id = $1
LEFT JOIN tally.inbox_pending p ON p.user_id = i.user_id AND p.inbox_id = i.id
LEFT JOIN tally.quarantine q ON q.user_id = i.user_id AND q.inbox_id = i.id
