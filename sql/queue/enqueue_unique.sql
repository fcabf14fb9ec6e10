-- Adds jobs in the order given and returns for each its id, or null where another job holds its key.
WITH asked AS MATERIALIZED (
    SELECT n.*, nextval('tally.jobs_id_seq') AS id,
        coalesce(n.user_id, '00000000-0000-0000-0000-000000000000') AS tenant
    FROM unnest($1::text[], $2::text[], $3::uuid[], $4::jsonb[], $5::smallint[], $6::float8[], $7::int[], $8::text[],
                $9::text[], $10::text[], $11::float8[])
        WITH ORDINALITY AS n (kind, queue, user_id, payload, priority, delay_seconds, max_attempts, trace,
                              unique_key, unique_scope, unique_seconds, position)
), taken AS (
    -- In the order of the keys, so that two who enqueue the same keys wait for
    -- each other and do not lock each other out.
    INSERT INTO tally.job_keys AS held (kind, tenant, key, job_id, expires_at)
    SELECT DISTINCT ON (kind, tenant, unique_key)
        kind, tenant, unique_key, id, now() + unique_seconds * interval '1 second'
    FROM asked
    WHERE unique_key IS NOT NULL
    ORDER BY kind, tenant, unique_key, position
    ON CONFLICT (kind, tenant, key) DO UPDATE SET job_id = EXCLUDED.job_id, expires_at = EXCLUDED.expires_at
        WHERE held.expires_at <= now()
    RETURNING job_id
), added AS (
    INSERT INTO tally.jobs (id, kind, queue, user_id, payload, priority, run_at, max_attempts, created_at, trace,
                            unique_key, unique_scope)
    SELECT id, kind, queue, user_id, payload, priority, now() + delay_seconds * interval '1 second',
        max_attempts, now(), trace, unique_key, unique_scope
    FROM asked
    WHERE unique_key IS NULL OR id IN (SELECT job_id FROM taken)
    ORDER BY position
    RETURNING id
)
SELECT added.id AS "job_id?"
FROM asked
LEFT JOIN added ON added.id = asked.id
ORDER BY asked.position
