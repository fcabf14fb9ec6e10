-- None of the requests that are open is done; the sum of both columns is the same.

DROP FUNCTION tally.enqueue_job, tally.request_job, tally.enqueue_unique_job;
ALTER TABLE tally.jobs RENAME TO jobs_before;
ALTER TABLE tally.jobs_before DROP CONSTRAINT jobs_pkey;
DROP INDEX tally.jobs_ready, tally.jobs_claimed, tally.jobs_to_cancel, tally.jobs_coalesced;

CREATE TABLE tally.jobs (
    id                  bigint      NOT NULL DEFAULT nextval('tally.jobs_id_seq'),
    kind                text        NOT NULL,
    queue               text        NOT NULL,
    user_id             uuid,
    coalesce_key        text,
    payload             jsonb       NOT NULL DEFAULT '{}',
    priority            smallint    NOT NULL DEFAULT 1,
    state               text        NOT NULL DEFAULT 'ready',
    run_at              timestamptz NOT NULL,
    attempt             int         NOT NULL DEFAULT 0,
    max_attempts        int         NOT NULL DEFAULT 10,
    claims              bigint      NOT NULL DEFAULT 0,
    lost                int         NOT NULL DEFAULT 0,
    requested           bigint      NOT NULL DEFAULT 1,
    done                bigint      NOT NULL DEFAULT 0,
    claimed_generation  bigint,
    lease_id            uuid,
    claimed_at          timestamptz,
    deadline_at         timestamptz,
    created_at          timestamptz NOT NULL,
    last_error          text,
    trace               text
) WITH (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0,
    fillfactor = 45
);
CREATE FUNCTION tally.enqueue_job(
    kind         text,
    payload      jsonb    DEFAULT '{}',
    user_id      uuid     DEFAULT NULL,
    run_after    interval DEFAULT '0',
    queue        text     DEFAULT 'default',
    priority     int      DEFAULT 1,
    max_attempts int      DEFAULT 10
) RETURNS bigint
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO tally.jobs (kind, queue, user_id, payload, priority, run_at, max_attempts, created_at)
    VALUES (enqueue_job.kind, enqueue_job.queue, enqueue_job.user_id, enqueue_job.payload,
            enqueue_job.priority, now() + enqueue_job.run_after, enqueue_job.max_attempts, now())
    RETURNING id;
END;
COMMENT ON FUNCTION tally.enqueue_job IS 'Adds a job in the caller''s transaction and returns its id.';

-- A request that finds the key waiting joins it, at the earlier of both times.
-- One that finds the key running leaves a generation over, so that the job runs
-- once more. One that finds it waiting for a retry does not cut the delay short:
-- else work that is requested all the time and fails would spin.
CREATE FUNCTION tally.request_job(
    kind         text,
    key          text,
    user_id      uuid     DEFAULT NULL,
    run_after    interval DEFAULT '0',
    payload      jsonb    DEFAULT '{}',
    queue        text     DEFAULT 'default',
    priority     int      DEFAULT 1,
    max_attempts int      DEFAULT 10
) RETURNS bigint
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO tally.jobs AS held
        (kind, queue, user_id, coalesce_key, payload, priority, run_at, max_attempts, created_at)
    VALUES (request_job.kind, request_job.queue, request_job.user_id, request_job.key, request_job.payload,
            request_job.priority, now() + request_job.run_after, request_job.max_attempts, now())
    ON CONFLICT (kind, user_id, coalesce_key) WHERE coalesce_key IS NOT NULL
    DO UPDATE SET
        requested = held.requested + 1,
        run_at = CASE
            WHEN held.state = 'claimed' AND held.requested = held.claimed_generation THEN EXCLUDED.run_at
            WHEN held.state = 'ready' AND held.attempt > 0 THEN held.run_at
            ELSE LEAST(held.run_at, EXCLUDED.run_at)
        END
    RETURNING id;
END;
COMMENT ON FUNCTION tally.request_job IS
    'Asks for a coalesced job: one row per (kind, user_id, key), whatever the number of requests. Returns its id.';

-- Only now: a request depends on every column that there is when its function is
-- made, and the columns below are dropped by those who made them.
ALTER TABLE tally.jobs
    ADD COLUMN unique_key text,
    ADD COLUMN unique_scope text,
    ADD COLUMN permit_slot int,
    ADD COLUMN cancel_requested_at timestamptz,
    ADD COLUMN cancel_reason text,
    ADD CONSTRAINT jobs_values_check CHECK (
        kind <> '' AND queue <> '' AND priority BETWEEN 0 AND 3 AND attempt >= 0 AND max_attempts > 0),
    ADD CONSTRAINT jobs_claim_check CHECK (CASE state
        WHEN 'ready' THEN lease_id IS NULL AND claimed_generation IS NULL AND deadline_at IS NULL
            AND permit_slot IS NULL
        WHEN 'claimed' THEN lease_id IS NOT NULL AND claimed_generation IS NOT NULL AND deadline_at IS NOT NULL
            AND (cancel_requested_at IS NULL) = (cancel_reason IS NULL)
        ELSE false
    END),
    ADD CONSTRAINT jobs_unique_check CHECK (CASE
        WHEN unique_key IS NULL THEN unique_scope IS NULL
        ELSE coalesce_key IS NULL AND unique_scope IS NOT NULL AND unique_scope IN ('waiting', 'live', 'any')
    END);
ALTER SEQUENCE tally.jobs_id_seq OWNED BY tally.jobs.id;
COMMENT ON TABLE tally.jobs IS 'Live jobs only; a job that ends leaves this table.';
COMMENT ON COLUMN tally.jobs.priority IS '0 runs first, 3 last.';
COMMENT ON COLUMN tally.jobs.claims IS
    'Claims of this row so far. It only grows, so that (id, claims, lease_id) names one claim and no other.';
COMMENT ON COLUMN tally.jobs.lost IS 'Attempts whose process disappeared, since the last generation that ended.';
COMMENT ON COLUMN tally.jobs.requested IS
    'Generations asked for. A claim takes all of them; a job whose key was requested meanwhile runs once more.';
COMMENT ON COLUMN tally.jobs.permit_slot IS 'The permit of its tenant that a claim holds; null in queues without a cap.';
COMMENT ON COLUMN tally.jobs.cancel_requested_at IS 'Only while it runs: a waiting job that is cancelled leaves at once.';

INSERT INTO tally.jobs
    (id, kind, queue, user_id, coalesce_key, payload, priority, state, run_at, attempt, max_attempts, claims, lost,
     requested, claimed_generation, lease_id, claimed_at, deadline_at, created_at, last_error, trace, unique_key,
     unique_scope, permit_slot, cancel_requested_at, cancel_reason)
SELECT id, kind, queue, user_id, coalesce_key, payload, priority, state, run_at, attempt, max_attempts, claims, lost,
    requested, claimed_generation, lease_id, claimed_at, deadline_at, created_at, last_error, trace, unique_key,
    unique_scope, permit_slot, cancel_requested_at, cancel_reason
FROM tally.jobs_before
ORDER BY id;
DROP TABLE tally.jobs_before;

-- Built when the rows are there.
ALTER TABLE tally.jobs ADD CONSTRAINT jobs_pkey PRIMARY KEY (id);
CREATE INDEX jobs_ready ON tally.jobs
    (queue, priority, (coalesce(user_id, '00000000-0000-0000-0000-000000000000'::uuid)), kind, run_at, id)
    WHERE state = 'ready';
CREATE INDEX jobs_claimed ON tally.jobs (lease_id) WHERE state = 'claimed';
CREATE INDEX jobs_to_cancel ON tally.jobs (lease_id) WHERE cancel_requested_at IS NOT NULL;
CREATE UNIQUE INDEX jobs_coalesced ON tally.jobs (kind, user_id, coalesce_key) NULLS NOT DISTINCT
    WHERE coalesce_key IS NOT NULL;
GRANT SELECT, INSERT, UPDATE, DELETE ON tally.jobs TO tallyline_worker;

-- From SQL: a unique job. Null when a job with the key holds it already.
CREATE FUNCTION tally.enqueue_unique_job(
    kind         text,
    key          text,
    scope        text     DEFAULT 'live',
    for_at_most  interval DEFAULT NULL,
    payload      jsonb    DEFAULT '{}',
    user_id      uuid     DEFAULT NULL,
    run_after    interval DEFAULT '0',
    queue        text     DEFAULT 'default',
    priority     int      DEFAULT 1,
    max_attempts int      DEFAULT 10
) RETURNS bigint
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH taken AS (
        INSERT INTO tally.job_keys AS held (kind, tenant, key, job_id, expires_at)
        VALUES (enqueue_unique_job.kind,
                coalesce(enqueue_unique_job.user_id, '00000000-0000-0000-0000-000000000000'::uuid),
                enqueue_unique_job.key, nextval('tally.jobs_id_seq'),
                now() + coalesce(enqueue_unique_job.for_at_most,
                    CASE WHEN enqueue_unique_job.scope = 'any' THEN interval '1 day' END))
        ON CONFLICT (kind, tenant, key) DO UPDATE SET job_id = EXCLUDED.job_id, expires_at = EXCLUDED.expires_at
            WHERE held.expires_at <= now()
        RETURNING job_id
    )
    INSERT INTO tally.jobs
        (id, kind, queue, user_id, payload, priority, run_at, max_attempts, created_at, unique_key, unique_scope)
    SELECT taken.job_id, enqueue_unique_job.kind, enqueue_unique_job.queue, enqueue_unique_job.user_id,
        enqueue_unique_job.payload, enqueue_unique_job.priority, now() + enqueue_unique_job.run_after,
        enqueue_unique_job.max_attempts, now(), enqueue_unique_job.key, enqueue_unique_job.scope
    FROM taken
    RETURNING id;
END;
COMMENT ON FUNCTION tally.enqueue_unique_job IS
    'Adds a job unless one with its key holds it (scope waiting, live or any, the last for a day if not told); returns its id, or null.';

REVOKE EXECUTE ON FUNCTION tally.enqueue_job, tally.request_job, tally.enqueue_unique_job FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tally.enqueue_job, tally.request_job, tally.enqueue_unique_job TO tallyline_worker;
