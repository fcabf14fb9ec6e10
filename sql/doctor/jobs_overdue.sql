-- Returns the jobs that run $1 seconds past their deadline, with the command that cancels them.
SELECT format('job %s (%s), %s s past its deadline', j.id, j.kind, extract(epoch FROM now() - j.deadline_at)::bigint),
       format('tallyline jobs cancel %s', j.id)
FROM tally.jobs j
WHERE j.state = 'claimed' AND j.deadline_at < now() - make_interval(secs => $1)
ORDER BY j.deadline_at
