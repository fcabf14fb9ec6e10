-- Returns what is paused and why, with the command that resumes it.
SELECT format('queue %s since %s: %s', queue, paused_at::timestamp(0), reason),
       format('tallyline queue resume %s', CASE WHEN queue ~ '^[A-Za-z0-9_.-]+$' THEN queue ELSE 'QUEUE' END)
FROM tally.paused_queues
UNION ALL
SELECT format('kind %s since %s: %s', kind, paused_at::timestamp(0), reason),
       format('tallyline queue resume --kind %s', CASE WHEN kind ~ '^[A-Za-z0-9_.-]+$' THEN kind ELSE 'KIND' END)
FROM tally.paused_kinds
ORDER BY 1
