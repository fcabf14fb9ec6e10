-- Returns the schedules that should have fired $1 seconds ago, with the command that starts a scheduler.
SELECT format('%s, since %s', name, next_fire_at::timestamp(0)), 'tallyline run --roles scheduler'
FROM tally.schedules
WHERE NOT paused AND next_fire_at < now() - make_interval(secs => $1)
ORDER BY next_fire_at
