-- Returns the schedules that are paused and why, with the command that resumes them.
SELECT format('%s: %s', name, paused_reason),
       format('tallyline schedule resume %s', CASE WHEN name ~ '^[A-Za-z0-9_.-]+$' THEN name ELSE 'NAME' END)
FROM tally.schedules
WHERE paused
ORDER BY name
