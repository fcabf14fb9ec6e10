-- Returns the endpoints whose previous secret is good for $1 seconds more, with the command that retires it.
SELECT format('%s of tenant %s, until %s', e.provider, e.user_id, e.previous_expires_at::timestamp(0)),
       format('tallyline tenant rotate-secret %s %s --overlap-hours 0', e.user_id, e.provider)
FROM tally.endpoints e
WHERE e.disabled_at IS NULL AND e.previous_expires_at > now() + make_interval(secs => $1)
ORDER BY e.previous_expires_at DESC
