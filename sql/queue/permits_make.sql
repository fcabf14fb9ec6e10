-- Makes the missing permits of the tenants $2 in the capped queue $1; returns nothing.
INSERT INTO tally.job_permits (queue, tenant, slot)
SELECT c.queue, t.tenant, slot
FROM tally.queue_caps c
CROSS JOIN (SELECT DISTINCT tenant FROM unnest($2::uuid[]) AS tenant) t
CROSS JOIN LATERAL generate_series(1, c.tenant_cap) AS slot
WHERE c.queue = $1
ORDER BY 1, 2, 3
ON CONFLICT (queue, tenant, slot) DO NOTHING
