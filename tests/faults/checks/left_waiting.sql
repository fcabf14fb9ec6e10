-- What nobody is at although it is due: events, marks, spools, jobs.
SELECT concat_ws(' ', 'event', inbox_id, 'of', user_id) FROM tally.inbox_pending WHERE state = 'ready'
UNION ALL
SELECT concat_ws(' ', 'mark of tier', tier, bucket_start, 'of', user_id) FROM tally.rollup_marks
UNION ALL
SELECT concat_ws(' ', events, 'events in a spool of', label) FROM tally.spools
UNION ALL
SELECT concat_ws(' ', 'job', j.id, j.kind, 'is claimed under no lease') FROM tally.jobs j
WHERE j.state = 'claimed' AND NOT EXISTS (
    SELECT FROM tally.job_leases l WHERE l.lease_id = j.lease_id AND l.expires_at > now())
UNION ALL
SELECT concat_ws(' ', 'job', id, kind, 'is due since', run_at) FROM tally.jobs
WHERE state = 'ready' AND run_at < now() - interval '30 seconds'
