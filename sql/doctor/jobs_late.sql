-- Returns the served queues whose oldest due job has waited for $1 seconds, with the command that shows who works.
SELECT format('queue %s: %s jobs, the oldest for %s s', j.queue, count(*), extract(epoch FROM now() - min(j.run_at))::bigint),
       'tallyline queue workers'
FROM tally.jobs j
WHERE j.state = 'ready' AND j.run_at < now() - make_interval(secs => $1)
  AND EXISTS (SELECT FROM tally.job_leases l WHERE l.expires_at > now() AND j.queue = ANY (l.queues))
  AND NOT EXISTS (SELECT FROM tally.paused_queues p WHERE p.queue = j.queue)
  AND NOT EXISTS (SELECT FROM tally.paused_kinds k WHERE k.kind = j.kind)
GROUP BY j.queue
ORDER BY min(j.run_at)
