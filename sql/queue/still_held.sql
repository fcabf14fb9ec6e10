-- Returns those of the claims ($1 job, $2 claim, $3 lease, one of each per claim) that are still held.
SELECT j.id AS job_id, j.claims AS claim, r.lease_id AS "lease_id!"
FROM unnest($1::bigint[], $2::bigint[], $3::uuid[]) AS r (job_id, claim, lease_id)
JOIN tally.jobs j ON j.id = r.job_id AND j.claims = r.claim AND j.lease_id IS NOT DISTINCT FROM r.lease_id
