-- Lets a notification that no endpoint has got be handed out once more. $1 tenant, $2 notification.
UPDATE tally.notifications n SET is_handed_out = false
WHERE n.user_id = $1 AND n.id = $2 AND n.is_handed_out
  AND NOT EXISTS (
    SELECT FROM tally.notification_deliveries d WHERE d.user_id = n.user_id AND d.notification_id = n.id)
