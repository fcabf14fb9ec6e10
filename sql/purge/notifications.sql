-- Deletes notifications past their retention with their deliveries, at most 10,000; returns nothing. Not while one is still to be
-- delivered. $1 days.
DELETE FROM tally.notifications WHERE (user_id, id) IN (
    SELECT n.user_id, n.id FROM tally.notifications n
    WHERE n.created_at < now() - make_interval(days => $1)
      AND NOT EXISTS (
        SELECT FROM tally.notification_deliveries d
        JOIN tally.notification_endpoints e ON e.user_id = d.user_id AND e.id = d.endpoint_id
        WHERE d.user_id = n.user_id AND d.notification_id = n.id AND d.state = 'pending' AND e.disabled_at IS NULL)
    LIMIT 10000)
