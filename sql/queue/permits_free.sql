-- Frees permits whose claim is over although nothing freed them (their cap was away when it ended, say).
-- A claim and its permit are written by one statement, so one snapshot sees both or neither; the last two conditions
-- are asked of the row as it is when its lock is had, so a permit that was taken anew meanwhile stays taken.
WITH leaked AS MATERIALIZED (
    SELECT p.queue, p.tenant, p.slot, p.job_id, p.claim
    FROM tally.job_permits p
    WHERE p.job_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM tally.jobs j
        WHERE j.id = p.job_id AND j.state = 'claimed' AND j.claims = p.claim AND j.permit_slot = p.slot)
)
UPDATE tally.job_permits p
SET job_id = NULL, claim = NULL, lease_id = NULL
FROM leaked l
WHERE p.queue = l.queue AND p.tenant = l.tenant AND p.slot = l.slot AND p.job_id = l.job_id AND p.claim = l.claim
