-- Returns a row when verify_rollups has not succeeded for $1 seconds though there are tenants that old, with the command that runs it.
SELECT 'verify_rollups has not succeeded lately', 'tallyline jobs enqueue verify_rollups'
WHERE EXISTS (
        SELECT FROM public.users u
        WHERE u.role = 'user' AND u.id <> '00000000-0000-0000-0000-000000000001' AND u.created_at < now() - make_interval(secs => $1))
  AND NOT EXISTS (
        SELECT FROM tally.job_history h
        WHERE h.finished_at > now() - make_interval(secs => $1) AND h.kind = 'verify_rollups' AND h.outcome = 'succeeded')
