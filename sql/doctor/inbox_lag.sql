-- Returns a row when the oldest event that can be applied is older than $1 seconds, with the command that starts a worker.
SELECT format('%s events, the oldest for %s s', count(*), extract(epoch FROM now() - min(received_at))::bigint),
       'tallyline run --roles worker'
FROM tally.inbox_pending
WHERE state = 'ready'
HAVING min(received_at) < now() - make_interval(secs => $1)
