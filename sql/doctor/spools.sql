-- Returns the spools that hold webhooks, with the command that shows them.
SELECT format('%s webhooks at %s, the oldest of %s', events, label, oldest_received_at::timestamp(0)), 'tallyline status'
FROM tally.spools
ORDER BY oldest_received_at
