-- Returns the dead letters by kind, most first, with the command that tries them again.
SELECT format('%s of %s', count(*), kind),
       format('tallyline jobs retry --dead --kind %s', CASE WHEN kind ~ '^[A-Za-z0-9_.-]+$' THEN kind ELSE 'KIND' END)
FROM tally.dead_jobs
GROUP BY kind
ORDER BY count(*) DESC, kind
