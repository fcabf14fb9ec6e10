-- Returns a tenant's newest notifications, a row for each endpoint that gets it; state waiting where none does yet, unwanted where none
-- wanted it. $1 tenant, $2 state or null, $3 rows.
SELECT x.id AS "id!", x.kind AS "kind!", x.created_at AS "created_at!", x.endpoint_id AS "endpoint_id?", x.state AS "state!",
       x.attempts AS "attempts?", x.next_attempt_at AS "next_attempt_at?", x.last_status AS "last_status?", x.last_error AS "last_error?"
FROM (
    SELECT n.id, n.kind, n.created_at, d.endpoint_id, d.attempts, d.last_status, d.last_error,
           coalesce(d.state, CASE WHEN n.is_handed_out THEN 'unwanted' ELSE 'waiting' END) AS state,
           CASE WHEN d.state = 'pending' THEN greatest(d.not_before, d.claimed_until) END AS next_attempt_at
    FROM tally.notifications n
    LEFT JOIN tally.notification_deliveries d ON d.user_id = n.user_id AND d.notification_id = n.id
    WHERE n.user_id = $1
) x
WHERE x.state = coalesce($2, x.state)
ORDER BY x.created_at DESC, x.id, x.endpoint_id
LIMIT $3
