-- Returns the given entries of the quarantine, locked: whether the inbox still has the body, or the body that was refused at
-- the door. $1 tenants, $2 ids.
SELECT q.user_id, q.id, q.inbox_id, q.provider, q.endpoint, q.reason, q.received_at, q.body AS "refused_body?: Vec<u8>",
       i.body IS NOT NULL AS "has_body!", e.account_sid IS NOT NULL AS "account_known!"
FROM tally.quarantine q
LEFT JOIN tally.inbox i ON i.user_id = q.user_id AND i.id = q.inbox_id
LEFT JOIN tally.endpoints e ON e.endpoint = q.endpoint AND e.user_id = q.user_id
WHERE (q.user_id, q.id) IN (SELECT * FROM unnest($1::uuid[], $2::bigint[]))
ORDER BY q.user_id, q.id
FOR UPDATE OF q
