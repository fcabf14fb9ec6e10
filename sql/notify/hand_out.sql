-- Hands waiting notifications out, a row for each endpoint of the tenant that wants the kind; returns how many were handed out.
-- A tenant without an endpoint is not looked at: its notifications wait. $1 notifications a tenant, $2 days after which they are too old.
WITH tenants AS (
    SELECT DISTINCT e.user_id FROM tally.notification_endpoints e WHERE e.disabled_at IS NULL
), waiting AS MATERIALIZED (
    SELECT n.user_id, n.id, n.kind
    FROM tenants t
    CROSS JOIN LATERAL (
        SELECT w.user_id, w.id, w.kind FROM tally.notifications w
        WHERE w.user_id = t.user_id AND NOT w.is_handed_out AND w.created_at > now() - make_interval(days => $2)
        ORDER BY w.created_at
        LIMIT $1
        FOR NO KEY UPDATE SKIP LOCKED
    ) n
), handed_out AS (
    UPDATE tally.notifications n SET is_handed_out = true
    FROM waiting w
    WHERE n.user_id = w.user_id AND n.id = w.id
), deliveries AS (
    INSERT INTO tally.notification_deliveries (user_id, notification_id, endpoint_id)
    SELECT w.user_id, w.id, e.id
    FROM waiting w
    JOIN tally.notification_endpoints e ON e.user_id = w.user_id
    WHERE e.disabled_at IS NULL AND (e.kinds IS NULL OR w.kind = ANY (e.kinds))
    ON CONFLICT (user_id, notification_id, endpoint_id) DO NOTHING
)
SELECT count(*) AS "handed_out!" FROM waiting
