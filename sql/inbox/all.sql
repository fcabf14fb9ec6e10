-- Returns webhooks of the inbox, the newest first, in whatever state: those of tenant $1 (all when null), of provider $2,
-- received from $3 to before $4, with an id below $5, at most $6; where $7, only those that are done with.
-- Tenant by tenant, since that is how the inbox is indexed.
SELECT i.id AS "id!", i.user_id AS "tenant!", i.provider AS "provider!", i.endpoint AS "endpoint!",
       i.received_at AS "received_at!", octet_length(i.body) AS "bytes?",
       CASE WHEN p.state IS NOT NULL THEN p.state WHEN q.reason IS NOT NULL THEN 'quarantined' ELSE 'applied' END AS "state!",
       q.reason AS "reason?"
FROM public.users u
CROSS JOIN LATERAL (
    SELECT n.* FROM tally.inbox n
    WHERE n.user_id = u.id AND n.id < $5 AND ($2::text IS NULL OR n.provider = $2)
      AND n.received_at >= $3 AND n.received_at < $4
      AND (NOT $7 OR NOT EXISTS (SELECT FROM tally.inbox_pending p WHERE p.user_id = n.user_id AND p.inbox_id = n.id)
                 AND NOT EXISTS (SELECT FROM tally.quarantine q WHERE q.user_id = n.user_id AND q.inbox_id = n.id))
    ORDER BY n.id DESC
    LIMIT $6
) i
LEFT JOIN tally.inbox_pending p ON p.user_id = i.user_id AND p.inbox_id = i.id
LEFT JOIN tally.quarantine q ON q.user_id = i.user_id AND q.inbox_id = i.id
WHERE $1::uuid IS NULL OR u.id = $1
ORDER BY i.id DESC
LIMIT $6
