-- Returns the oldest due events of the claimed lanes, at most $2 a lane, and how often each was begun alone and not ended.
SELECT p.user_id AS "user_id!", p.inbox_id AS "inbox_id!", p.claims AS "claims!"
FROM unnest($1::uuid[]) AS l (user_id)
CROSS JOIN LATERAL (
    SELECT d.user_id, d.inbox_id, d.claims
    FROM tally.inbox_pending d
    WHERE d.user_id = l.user_id AND d.not_before <= now()
    ORDER BY d.inbox_id
    LIMIT $2
) p
ORDER BY p.user_id, p.inbox_id
