-- Claims up to $3 due jobs of queue $1 for the live lease $2 from the lanes $4 to $9, in their order, and returns them.
-- Per lane: priority, tenant, kind, not before (time, id), share. $10 maps kinds to deadlines in seconds, $11 is for others.
-- Nothing that it writes is in an index of the table, so that a row stays on its page and every index as it is.
WITH lease AS (
    SELECT lease_id FROM tally.job_leases WHERE lease_id = $2 AND expires_at > now()
), picked AS MATERIALIZED (
    -- LIMIT stops the walk over the lanes, and with it the locking.
    SELECT due.place
    FROM lease
    CROSS JOIN unnest($4::smallint[], $5::uuid[], $6::text[], $7::timestamptz[], $8::bigint[], $9::bigint[])
        AS lane (priority, tenant, kind, not_before, first_id, share)
    CROSS JOIN LATERAL (
        SELECT j.ctid AS place
        FROM tally.jobs j
        WHERE j.state = 'ready' AND j.queue = $1 AND j.priority = lane.priority
            AND coalesce(j.user_id, '00000000-0000-0000-0000-000000000000') = lane.tenant AND j.kind = lane.kind
            AND (j.run_at, j.id) >= (lane.not_before, lane.first_id) AND j.run_at <= now()
        ORDER BY j.run_at, j.id
        LIMIT lane.share
        FOR UPDATE SKIP LOCKED
    ) due
    WHERE NOT EXISTS (SELECT FROM tally.paused_queues p WHERE p.queue = $1)
        AND NOT EXISTS (SELECT FROM tally.paused_kinds p WHERE p.kind = lane.kind)
    LIMIT $3
), claimed AS (
    UPDATE tally.jobs
    SET state = 'claimed',
        attempt = attempt + 1,
        claims = claims + 1,
        claimed_generation = requested,
        lease_id = $2,
        claimed_at = now(),
        deadline_at = now() + coalesce(($10::jsonb ->> kind)::float8, $11) * interval '1 second'
    -- By its place, which the lock keeps. A row that moved after this statement
    -- began is not found there, and is claimed another time.
    WHERE ctid = ANY (ARRAY(SELECT place FROM picked))
    RETURNING id, kind, user_id, coalesce_key, payload, priority, run_at, attempt, claims, max_attempts, trace,
        permit_slot, unique_scope, unique_key
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
