-- Returns the endpoints that were disabled by themselves, with the command that enables them.
SELECT format('%s of tenant %s: %s', id, user_id, disabled_reason), format('tallyline notify endpoint enable --tenant %s %s', user_id, id)
FROM tally.notification_endpoints
WHERE disabled_at IS NOT NULL AND disabled_reason <> 'by hand'
ORDER BY disabled_at DESC
