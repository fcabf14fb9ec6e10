-- Returns the queues with jobs that are due for a minute and no living process for them, with the command that starts one.
SELECT format('queue %s, %s jobs', j.queue, count(*)), 'tallyline run --roles worker'
FROM tally.jobs j
WHERE j.state = 'ready' AND j.run_at < now() - interval '1 minute'
  AND EXISTS (SELECT FROM tally.job_leases l WHERE l.expires_at > now())
  AND NOT EXISTS (SELECT FROM tally.job_leases l WHERE l.expires_at > now() AND j.queue = ANY (l.queues))
  AND NOT EXISTS (SELECT FROM tally.paused_queues p WHERE p.queue = j.queue)
GROUP BY j.queue
ORDER BY count(*) DESC
