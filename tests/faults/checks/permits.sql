-- Permits that are held by no job which runs.
SELECT concat_ws(' ', p.queue, p.tenant, p.slot) FROM tally.job_permits p
WHERE p.job_id IS NOT NULL AND NOT EXISTS (
    SELECT FROM tally.jobs j WHERE j.id = p.job_id AND j.state = 'claimed' AND j.claims = p.claim)
