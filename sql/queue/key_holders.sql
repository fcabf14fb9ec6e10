-- Returns for each key (kind $1, tenant $2, key $3, one of each per position) the job that holds it, or null.
SELECT k.job_id AS "job_id?"
FROM unnest($1::text[], $2::uuid[], $3::text[]) WITH ORDINALITY AS asked (kind, tenant, key, position)
LEFT JOIN tally.job_keys k ON k.kind = asked.kind AND k.tenant = asked.tenant AND k.key = asked.key
ORDER BY asked.position
