-- As claim.sql, in a queue with a cap per tenant: a job is claimed together with a free permit of its tenant, or not.
WITH lease AS (
    SELECT lease_id FROM tally.job_leases WHERE lease_id = $2 AND expires_at > now()
), picked AS MATERIALIZED (
    SELECT due.id, due.run_at, lane.tenant, lane.place
    FROM lease
    CROSS JOIN unnest($4::smallint[], $5::uuid[], $6::text[], $7::timestamptz[], $8::bigint[], $9::bigint[])
        WITH ORDINALITY AS lane (priority, tenant, kind, not_before, first_id, share, place)
    CROSS JOIN LATERAL (
        SELECT j.id, j.run_at
        FROM tally.jobs j
        WHERE j.state = 'ready' AND j.queue = $1 AND j.priority = lane.priority
            AND coalesce(j.user_id, '00000000-0000-0000-0000-000000000000') = lane.tenant AND j.kind = lane.kind
            AND (j.run_at, j.id) >= (lane.not_before, lane.first_id) AND j.run_at <= now()
        ORDER BY j.run_at, j.id
        LIMIT least(lane.share, (SELECT c.tenant_cap FROM tally.queue_caps c WHERE c.queue = $1))
        FOR UPDATE SKIP LOCKED
    ) due
    WHERE NOT EXISTS (SELECT FROM tally.paused_queues p WHERE p.queue = $1)
        AND NOT EXISTS (SELECT FROM tally.paused_kinds p WHERE p.kind = lane.kind)
), free AS MATERIALIZED (
    -- "Free" is asked of the permit's own row, so that a permit which another
    -- claimer took in the meantime is seen as taken when its lock is had.
    SELECT permit.tenant, permit.slot
    FROM (SELECT DISTINCT tenant FROM picked) t
    CROSS JOIN LATERAL (
        SELECT p.tenant, p.slot
        FROM tally.job_permits p
        WHERE p.queue = $1 AND p.tenant = t.tenant AND p.job_id IS NULL
            AND p.slot <= (SELECT c.tenant_cap FROM tally.queue_caps c WHERE c.queue = $1)
        ORDER BY p.slot
        FOR UPDATE SKIP LOCKED
    ) permit
), granted AS MATERIALIZED (
    SELECT j.id, f.tenant, f.slot
    FROM (SELECT id, tenant, place, run_at, row_number() OVER (PARTITION BY tenant ORDER BY place, run_at, id) AS nth
          FROM picked) j
    JOIN (SELECT tenant, slot, row_number() OVER (PARTITION BY tenant ORDER BY slot) AS nth FROM free) f
        USING (tenant, nth)
    ORDER BY j.place, j.run_at, j.id
    LIMIT $3
), claimed AS (
    UPDATE tally.jobs j
    SET state = 'claimed',
        attempt = attempt + 1,
        claims = claims + 1,
        claimed_generation = requested,
        lease_id = $2,
        permit_slot = g.slot,
        claimed_at = now(),
        deadline_at = now() + coalesce(($10::jsonb ->> kind)::float8, $11) * interval '1 second'
    FROM granted g
    WHERE j.id = g.id
    RETURNING j.id, kind, user_id, coalesce_key, payload, priority, run_at, attempt, claims, max_attempts, trace,
        permit_slot, unique_scope, unique_key
), taken AS (
    UPDATE tally.job_permits p
    SET job_id = c.id, claim = c.claims, lease_id = $2
    FROM claimed c
    WHERE p.queue = $1 AND p.tenant = coalesce(c.user_id, '00000000-0000-0000-0000-000000000000')
        AND p.slot = c.permit_slot
), started AS (
    -- In the order in which enqueuing takes them, so that neither locks the other out.
    DELETE FROM tally.job_keys WHERE ctid = ANY (ARRAY(
        SELECT k.ctid
        FROM claimed c
        JOIN tally.job_keys k ON k.kind = c.kind
            AND k.tenant = coalesce(c.user_id, '00000000-0000-0000-0000-000000000000') AND k.key = c.unique_key
            AND k.job_id = c.id
        WHERE c.unique_scope = 'waiting'
        ORDER BY k.kind, k.tenant, k.key
        FOR UPDATE OF k))
)
SELECT id AS "id!", kind AS "kind!", user_id, coalesce_key, payload AS "payload!: sqlx::types::Json<Box<RawValue>>", priority AS "priority!",
    run_at AS "run_at!", attempt AS "attempt!", claims AS "claims!", max_attempts AS "max_attempts!", trace, permit_slot,
    date_part('epoch', greatest(now() - run_at, interval '0')) AS "wait_seconds!"
FROM claimed
